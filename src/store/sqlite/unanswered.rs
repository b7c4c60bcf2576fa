//! What was asked last in a conversation whose last answer is not whole.

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Binary, Bool, Nullable},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    days::Mode,
    read::{as_limit, unless_dropped},
    recall::{KnownRow, id},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{NEAR_ROWS, Near, Unanswered},
};

struct NearRow(Near);

impl QueryableByName<Sqlite> for NearRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let KnownRow(message) = KnownRow::build(row)?;
        let parent: Option<Vec<u8>> = NamedRow::get::<Nullable<Binary>, _>(row, "parent_id")?;
        let parent = parent.map(|bytes| bytes.try_into().map(Id::from_bytes));
        Ok(Self(Near {
            message,
            exchange_id: id(row, "exchange_id")?,
            parent_id: parent.transpose().map_err(|_| "not 16 bytes")?,
            is_answer: NamedRow::get::<Bool, _>(row, "is_answer")?,
        }))
    }
}

/// What was asked last, from the newest rows, newest day first.
pub(super) fn unanswered(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversation: Id,
    since: Day,
    days: &[Day],
) -> QueryResult<Option<Unanswered>> {
    let mut near: Vec<Near> = Vec::new();
    for day in days.iter().rev() {
        let table = mode.table(MESSAGES, *day);
        let limit = as_limit(NEAR_ROWS - near.len());
        let rows = sql_query(format!(
            "SELECT conversation_id, id, chain_hash, exchange_id, parent_id, \
             role = 'assistant' AS is_answer FROM {table} WHERE conversation_id = ? \
             AND created_at >= ? AND choice_index = 0 AND chain_hash IS NOT NULL \
             ORDER BY created_at DESC, id DESC LIMIT {limit}"
        ))
        .bind::<Binary, _>(conversation.as_bytes().as_slice())
        .bind::<BigInt, _>(since.start_ms())
        .load(connection);
        let rows: Vec<NearRow> = unless_dropped(connection, &table, rows)?.unwrap_or_default();
        near.extend(rows.into_iter().map(|NearRow(near)| near));
        let found = Unanswered::among(&near);
        if found.is_some() || near.len() >= NEAR_ROWS {
            return Ok(found);
        }
    }
    Ok(None)
}
