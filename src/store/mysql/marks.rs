//! The marks that deletions leave behind.

use diesel::{
    QueryableByName, deserialize,
    mysql::Mysql,
    row::NamedRow,
    sql_types::{Binary, Datetime},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    error::Answer,
    statement::{LONGEST_LIST, Statement, Value, filled, marks},
};
use crate::store::{
    UnixMillis,
    deletion::{Found, Mark},
};

/// What becomes of a mark that is there already.
pub(super) const LATEST: &str =
    "ON DUPLICATE KEY UPDATE erased_at = GREATEST(recording_erasures.erased_at, VALUES(erased_at))";

struct MarkRow(Mark, UnixMillis);

impl QueryableByName<Mysql> for MarkRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let hash: Vec<u8> = NamedRow::get::<Binary, _>(row, "hash")?;
        let at: Millis = NamedRow::get::<Datetime, _>(row, "erased_at")?;
        Ok(Self(hash.try_into().map_err(|_| "not 16 bytes")?, at.0))
    }
}

/// Those of these marks that are there, with their times.
pub(super) async fn find(connection: &mut AsyncMysqlConnection, wanted: &[Mark]) -> Answer<Found> {
    let mut found = Found::new();
    for wanted in wanted.chunks(LONGEST_LIST) {
        let values = filled(wanted.iter().copied().map(Value::Bytes).collect());
        let sql = format!(
            "SELECT hash, erased_at FROM recording_erasures WHERE hash IN ({})",
            marks(values.len())
        );
        let find = Statement {
            sql: &sql,
            values: &values,
        };
        let rows: Vec<MarkRow> = find.load(connection).await?;
        found.extend(rows.into_iter().map(|MarkRow(mark, at)| (mark, at)));
    }
    Ok(found)
}

/// Leaves these marks.
pub(super) async fn leave(
    connection: &mut AsyncMysqlConnection,
    marks: impl IntoIterator<Item = &Mark>,
    at: UnixMillis,
) -> Answer<()> {
    let sql = format!("INSERT INTO recording_erasures (hash, erased_at) VALUES (?, ?) {LATEST}");
    for mark in marks {
        let leave = Statement {
            sql: &sql,
            values: &[Value::Bytes(*mark), Value::Time(Millis(at))],
        };
        leave.execute(connection).await?;
    }
    Ok(())
}
