//! Spreading the tables over a Citus cluster.
//!
//! Rows lie with their conversation, so that every read and every insert of one conversation goes
//! to one node. New partitions follow their table by themselves.

use diesel::{prelude::*, sql_query, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::days::NumberRow;
use crate::partition::MESSAGES;

/// In this order: a table is co-located with one that is there already. Days and settings are read
/// by every batch and stay with the coordinator.
const COMMANDS: [&str; 4] = [
    "SELECT create_distributed_table('conversations', 'id')",
    "SELECT create_distributed_table('conversation_histories', 'conversation_id', \
     colocate_with => 'conversations')",
    "SELECT create_distributed_table('error_conversation_histories', 'conversation_id', \
     colocate_with => 'conversations')",
    "SELECT create_distributed_table('usage_daily', 'user_id', colocate_with => 'none')",
];

/// Distributes the tables, which the migration has just made, where the extension is installed.
/// Where that fails they stay local, and the commands are logged.
pub(super) async fn distribute(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    if !is_installed(connection).await? {
        return Ok(());
    }
    connection.batch_execute("SAVEPOINT distribute").await?;
    match connection.batch_execute(&COMMANDS.join("; ")).await {
        Ok(()) => {
            connection
                .batch_execute("RELEASE SAVEPOINT distribute")
                .await
        }
        Err(error) => {
            tracing::warn!(%error, "the tables could not be distributed by Citus");
            connection
                .batch_execute("ROLLBACK TO SAVEPOINT distribute")
                .await
        }
    }
}

/// Distributes a table, which is empty, where this other one is distributed.
pub(super) async fn distribute_like(
    connection: &mut AsyncPgConnection,
    table: &str,
    other: &str,
) -> QueryResult<()> {
    if !is_installed(connection).await? || !is_distributed(connection, other).await? {
        return Ok(());
    }
    connection
        .batch_execute(&format!(
            "SELECT create_distributed_table('{table}', 'conversation_id', \
             colocate_with => 'conversations')"
        ))
        .await
}

/// Logs the commands where the extension is installed and the tables, which have rows, are local.
pub(super) async fn advise(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    if !is_installed(connection).await? {
        return Ok(());
    }
    if !is_distributed(connection, MESSAGES).await? {
        tracing::warn!(
            commands = %COMMANDS.join("; "),
            "the recorder's tables are not distributed, which Citus could do with these commands"
        );
    }
    Ok(())
}

/// Whether the rows lie on several nodes.
pub(super) async fn are_spread(connection: &AsyncPgConnection) -> QueryResult<bool> {
    Ok(is_installed(connection).await? && is_distributed(connection, MESSAGES).await?)
}

async fn is_distributed(mut connection: &AsyncPgConnection, table: &str) -> QueryResult<bool> {
    let distributed: NumberRow = sql_query(
        "SELECT count(*) AS value FROM pg_dist_partition WHERE logicalrelid = to_regclass($1)",
    )
    .bind::<Text, _>(table)
    .get_result(&mut connection)
    .await?;
    Ok(distributed.value != 0)
}

/// Whether the extension is there.
pub(super) async fn is_installed(mut connection: &AsyncPgConnection) -> QueryResult<bool> {
    let installed: NumberRow =
        sql_query("SELECT count(*) AS value FROM pg_extension WHERE extname = 'citus'")
            .get_result(&mut connection)
            .await?;
    Ok(installed.value != 0)
}
