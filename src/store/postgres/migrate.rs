//! The schema, and the mode that the database was begun in.
//!
//! diesel's own harness for asynchronous connections panics on a current-thread runtime and takes
//! no lock, so its migrations are run here, noted in its own table.

use diesel::{prelude::*, sql_query, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    citus,
    days::NumberRow,
    mode::{Mode, TextRow},
    session::Session,
};
use crate::partition::{ERRORS, MESSAGES};

/// Version and text of each, oldest first.
const MIGRATIONS: [(&str, &str); 2] = [
    (
        "20261121000000",
        include_str!("../../../migrations/postgres/2026-11-21-000000_conversations/up.sql"),
    ),
    (
        "20261126000000",
        include_str!("../../../migrations/postgres/2026-11-26-000000_newest_rows/up.sql"),
    ),
];
/// What the migrations say of partitions, which single tables are made without.
pub(super) const PARTITIONED: &str = " PARTITION BY RANGE (created_at)";

/// Another process may be migrating a large database.
const BEGIN: &str = concat!(
    "BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0; ",
    lock!(migration)
);

/// In a single table a day is found by a summary of its pages, a few bytes a megabyte. A partition
/// needs none.
pub(super) fn time_index(prefix: &str, suffix: &str) -> String {
    format!("CREATE INDEX {prefix}_time{suffix} ON {prefix}{suffix} USING brin (created_at)")
}

/// Brings the schema up to date and settles the mode. Any number of processes may do so at once.
pub(super) async fn migrate(session: &mut Session, wanted: Mode) -> QueryResult<Mode> {
    // A database that is up to date needs no lock and no right to create.
    if let Some(mode) = mode(session).await?
        && pending(&mut session.connection).await?.is_empty()
    {
        citus::advise(&mut session.connection).await?;
        return Ok(mode);
    }
    session.begin(BEGIN).await?;
    let mode = migrate_locked(&mut session.connection, wanted).await;
    session.end(mode).await
}

/// The mode that the database was begun in; `None` where it is not begun.
pub(super) async fn mode(session: &mut Session) -> QueryResult<Option<Mode>> {
    session.begin("BEGIN READ ONLY").await?;
    let mode = stored_mode(&mut session.connection).await;
    session.end(mode).await
}

async fn stored_mode(connection: &mut AsyncPgConnection) -> QueryResult<Option<Mode>> {
    if !exists(connection, "recording_meta").await? {
        return Ok(None);
    }
    Mode::stored(connection).await
}

async fn migrate_locked(connection: &mut AsyncPgConnection, wanted: Mode) -> QueryResult<Mode> {
    connection
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations \
             (version VARCHAR(50) PRIMARY KEY, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        )
        .await?;
    let mode = stored_mode(connection).await?.unwrap_or(wanted);
    let pending = pending(connection).await?;
    for (version, up) in &pending {
        match mode {
            Mode::Daily => connection.batch_execute(up).await?,
            Mode::Single => {
                let up = up.replace(PARTITIONED, "");
                connection.batch_execute(&up).await?;
            }
        }
        sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES ($1)")
            .bind::<Text, _>(*version)
            .execute(connection)
            .await?;
    }
    if pending.len() == MIGRATIONS.len() {
        if mode == Mode::Single {
            for prefix in [MESSAGES, ERRORS] {
                connection.batch_execute(&time_index(prefix, "")).await?;
            }
        }
        citus::distribute(connection).await?;
    }
    mode.store(connection).await?;
    Ok(mode)
}

async fn pending(
    connection: &mut AsyncPgConnection,
) -> QueryResult<Vec<(&'static str, &'static str)>> {
    let mut pending = MIGRATIONS.to_vec();
    if exists(connection, "__diesel_schema_migrations").await? {
        let done: Vec<TextRow> =
            sql_query("SELECT version::text AS value FROM __diesel_schema_migrations")
                .load(connection)
                .await?;
        pending.retain(|(version, _)| done.iter().all(|row| row.value != *version));
    }
    Ok(pending)
}

async fn exists(connection: &mut AsyncPgConnection, table: &str) -> QueryResult<bool> {
    let found: NumberRow = sql_query("SELECT (to_regclass($1) IS NOT NULL)::int::bigint AS value")
        .bind::<Text, _>(table)
        .get_result(connection)
        .await?;
    Ok(found.value != 0)
}
