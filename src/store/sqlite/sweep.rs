//! Rows of dropped days leave the single tables, some thousand at a time.
//!
//! By then nothing counts them any more. No index leads to the rows of a day, so the conversations
//! that began early enough do, a window after the other.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
    sqlite::SqliteConnection,
};

use super::{
    connection::Connections,
    days::{Mode, NumberRow},
    meta,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Partition, StoreError},
};

/// Rows deleted in one transaction, each with its entries in three indexes: some tens of milliseconds.
const ROWS_AT_ONCE: usize = 5_000;
/// Conversations looked through in one transaction.
const CONVERSATIONS_AT_ONCE: i64 = 500;

/// Deletes what is left of dropped days, and says from which tables how much.
pub(super) fn sweep(connections: &Connections) -> Result<Vec<Partition>, StoreError> {
    let Some(last) = connections.read(pending)? else {
        return Ok(Vec::new());
    };
    let mut deleted = [(MESSAGES, 0), (ERRORS, 0)];
    let mut begin = i64::MIN;
    while let Some(end) = connections.read(|connection, _| window(connection, begin, last))? {
        for (table, rows) in &mut deleted {
            let delete = deletion(table, begin, end, last);
            loop {
                let gone = connections.change(|connection, mode| match mode {
                    Mode::Single => sql_query(&delete).execute(connection),
                    Mode::Daily => Ok(0),
                })?;
                *rows += gone;
                if gone < ROWS_AT_ONCE {
                    break;
                }
            }
        }
        begin = end;
    }
    connections.change(|connection, _| {
        meta::end_sweeping(connection, last)?;
        meta::begin_epoch(connection)
    })?;
    let tables = deleted.into_iter().filter(|(_, rows)| *rows > 0);
    Ok(tables
        .map(|(table, rows)| Partition {
            table: table.to_owned(),
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            ..Partition::default()
        })
        .collect())
}

fn pending(connection: &mut SqliteConnection, mode: Mode) -> QueryResult<Option<Day>> {
    match mode {
        Mode::Single => meta::sweeping(connection),
        Mode::Daily => Ok(None),
    }
}

/// The last of the next conversations that began early enough; `None` behind the last of all.
fn window(connection: &mut SqliteConnection, begin: i64, last: Day) -> QueryResult<Option<i64>> {
    let row: NumberRow = sql_query(format!(
        "SELECT max(number) AS value FROM (SELECT rowid AS number FROM conversations \
         WHERE rowid > ? AND first_day <= ? ORDER BY rowid \
         LIMIT {CONVERSATIONS_AT_ONCE})"
    ))
    .bind::<BigInt, _>(begin)
    .bind::<Text, _>(last.to_string())
    .get_result(connection)?;
    Ok(row.value)
}

fn deletion(table: &str, begin: i64, end: i64, last: Day) -> String {
    let cutoff = last.end_ms();
    format!(
        "DELETE FROM {table} WHERE rowid IN (SELECT h.rowid FROM conversations AS c \
         CROSS JOIN {table} AS h ON h.conversation_id = c.id AND h.created_at < {cutoff} \
         WHERE c.rowid > {begin} AND c.rowid <= {end} AND c.first_day <= '{last}' \
         LIMIT {ROWS_AT_ONCE})"
    )
}
