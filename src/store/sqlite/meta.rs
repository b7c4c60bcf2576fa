//! What `recording_meta` holds for every process: the mode, the secret, and what to forget.
//!
//! It is read in each transaction anew, a few microseconds, so that whoever else changes it is followed
//! without a row out of place.

use diesel::{
    prelude::*,
    result::Error,
    sql_query,
    sql_types::{Binary, Text},
    sqlite::SqliteConnection,
};

use super::{
    days::{Mode, NumberRow, TextRow},
    statement::Statement,
};
use crate::partition::Day;

/// Whether days have tables of their own.
pub(super) fn mode(connection: &mut SqliteConnection) -> QueryResult<Mode> {
    let stored = Statement {
        sql: "SELECT value FROM recording_meta WHERE key = 'partition'",
        values: &[],
    };
    let stored: TextRow = stored.get_result(connection)?;
    Ok(match stored.value.as_str() {
        "single" => Mode::Single,
        _ => Mode::Daily,
    })
}

/// Settles the mode of a database that has none yet, and says which it has.
pub(super) fn settle_mode(connection: &mut SqliteConnection, wanted: Mode) -> QueryResult<Mode> {
    sql_query(
        "INSERT INTO recording_meta (key, value) VALUES ('partition', ?) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(wanted.as_str())
    .execute(connection)?;
    mode(connection)
}

/// Changes the mode.
pub(super) fn set_mode(connection: &mut SqliteConnection, mode: Mode) -> QueryResult<()> {
    sql_query("UPDATE recording_meta SET value = ? WHERE key = 'partition'")
        .bind::<Text, _>(mode.as_str())
        .execute(connection)
        .map(drop)
}

#[derive(QueryableByName)]
struct SecretRow {
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

/// The key of the hashes.
pub(super) fn secret(connection: &mut SqliteConnection) -> QueryResult<[u8; 32]> {
    let row: SecretRow = sql_query("SELECT value FROM recording_meta WHERE key = 'secret'")
        .get_result(connection)?;
    row.value
        .try_into()
        .map_err(|_| Error::DeserializationError("not 32 bytes".into()))
}

/// How often rows or conversations were removed. Whoever remembers which there are looks at this first.
pub(super) fn epoch(connection: &mut SqliteConnection) -> QueryResult<i64> {
    let row: NumberRow =
        sql_query("SELECT max(value) AS value FROM recording_meta WHERE key = 'epoch'")
            .get_result(connection)?;
    Ok(row.value.unwrap_or(0))
}

/// Notes that rows or conversations were removed.
pub(super) fn begin_epoch(connection: &mut SqliteConnection) -> QueryResult<()> {
    sql_query(
        "INSERT INTO recording_meta (key, value) VALUES ('epoch', 1) \
         ON CONFLICT DO UPDATE SET value = value + 1",
    )
    .execute(connection)
    .map(drop)
}

/// The newest day that was dropped from the single tables and may have rows there still.
pub(super) fn sweeping(connection: &mut SqliteConnection) -> QueryResult<Option<Day>> {
    let row: Option<TextRow> = sql_query("SELECT value FROM recording_meta WHERE key = 'sweeping'")
        .get_result(connection)
        .optional()?;
    Ok(row.and_then(|row| Day::parse(&row.value)))
}

/// Notes that the rows of this day and all before it are to go from the single tables.
pub(super) fn begin_sweeping(connection: &mut SqliteConnection, day: Day) -> QueryResult<()> {
    sql_query(
        "INSERT INTO recording_meta (key, value) VALUES ('sweeping', ?) \
         ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
    )
    .bind::<Text, _>(day.to_string())
    .execute(connection)
    .map(drop)
}

/// Notes that the rows of this day and all before it are gone.
pub(super) fn end_sweeping(connection: &mut SqliteConnection, day: Day) -> QueryResult<()> {
    sql_query("DELETE FROM recording_meta WHERE key = 'sweeping' AND value <= ?")
        .bind::<Text, _>(day.to_string())
        .execute(connection)
        .map(drop)
}
