//! The marks that deletions leave behind.

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Binary},
    sqlite::{Sqlite, SqliteConnection},
};

use super::recall::{ASKED_AT_ONCE, bytes, marks};
use crate::store::{
    UnixMillis,
    deletion::{Found, Mark},
};

/// What becomes of a mark that is there already.
pub(super) const LATEST: &str = "ON CONFLICT (hash) DO UPDATE SET \
     erased_at = max(erased_at, excluded.erased_at)";

struct MarkRow(Mark, UnixMillis);

impl QueryableByName<Sqlite> for MarkRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self(
            bytes(row, "hash")?,
            NamedRow::get::<BigInt, _>(row, "erased_at")?,
        ))
    }
}

/// Those of these marks that are there, with their times.
pub(super) fn find(connection: &mut SqliteConnection, wanted: &[Mark]) -> QueryResult<Found> {
    let mut found = Found::new();
    for wanted in wanted.chunks(ASKED_AT_ONCE) {
        let marks = marks(wanted.len());
        let mut query = sql_query(format!(
            "SELECT hash, erased_at FROM recording_erasures WHERE hash IN ({marks})"
        ))
        .into_boxed();
        for mark in wanted {
            query = query.bind::<Binary, _>(mark.as_slice());
        }
        let rows: Vec<MarkRow> = query.load(connection)?;
        found.extend(rows.into_iter().map(|MarkRow(mark, at)| (mark, at)));
    }
    Ok(found)
}

/// Leaves these marks.
pub(super) fn leave(
    connection: &mut SqliteConnection,
    marks: impl IntoIterator<Item = Mark>,
    at: UnixMillis,
) -> QueryResult<()> {
    for mark in marks {
        sql_query(format!(
            "INSERT INTO recording_erasures (hash, erased_at) VALUES (?, ?) {LATEST}"
        ))
        .bind::<Binary, _>(mark.as_slice())
        .bind::<BigInt, _>(at)
        .execute(connection)?;
    }
    Ok(())
}
