//! The views over the days, for people's own SQL. The store itself never reads them.

use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection};

use super::{
    days,
    error::{Answer, asked},
    layout::Mode,
    session::{hurry, relax},
};
use crate::partition::{Day, ERRORS, MESSAGES};

/// The newest days that a view shows. MySQL's limit of 61 tables is one of a join, not of a union;
/// MariaDB takes 400 without complaint.
const VIEWED_DAYS: usize = 400;

/// Somebody's long query on a view is not waited for: the view is replaced with the next day.
const VIEW_PATIENCE_SECONDS: u32 = 1;

/// The guide's own view, with the same names in both modes.
const CONVERSATION_MESSAGES: &str = "CREATE OR REPLACE VIEW conversation_messages AS SELECT \
     h.id, h.conversation_id, \
     (SELECT c.session_id FROM conversations c WHERE c.id = h.conversation_id) AS session_id, \
     h.role, h.content, h.model_name, h.token_count, \
     CONCAT(LEFT(DATE_FORMAT(h.created_at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z') AS `timestamp`, \
     h.user_id, h.exchange_id, h.message_id, h.prompt_tokens, h.completion_tokens, \
     h.total_tokens, h.created_at FROM conversation_histories h";

/// Replaces the views, from this day on; whoever calls this holds the lock of the tables. A failure
/// is logged and no more.
pub(super) async fn replace(connection: &mut AsyncMysqlConnection, mode: Mode, from: Day) {
    let replaced = match hurry(connection, VIEW_PATIENCE_SECONDS).await {
        Ok(()) => replace_all(connection, mode, from).await,
        Err(fault) => Err(fault),
    };
    let replaced = asked(connection, replaced).await;
    if let Err(fault) = replaced.and(relax(connection).await) {
        let error = fault.into_store_error();
        tracing::warn!(%error, "the views over the days could not be replaced");
    }
}

async fn replace_all(connection: &mut AsyncMysqlConnection, mode: Mode, from: Day) -> Answer<()> {
    if mode == Mode::Daily {
        for prefix in [MESSAGES, ERRORS] {
            let days = days::existing(connection, prefix).await?;
            let shown = days.iter().rev().take_while(|day| **day >= from);
            let mut tables: Vec<String> = shown
                .take(VIEWED_DAYS)
                .map(|day| day.table_name(prefix))
                .collect();
            if tables.is_empty() {
                tables.push(format!("{prefix}_template"));
            }
            let selects: Vec<String> = tables
                .iter()
                .map(|table| format!("SELECT * FROM {table}"))
                .collect();
            let view = selects.join(" UNION ALL ");
            connection
                .batch_execute(&format!("CREATE OR REPLACE VIEW {prefix} AS {view}"))
                .await?;
        }
    }
    connection.batch_execute(CONVERSATION_MESSAGES).await?;
    Ok(())
}
