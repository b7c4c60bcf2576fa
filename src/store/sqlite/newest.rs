//! When conversations were last active, where the time that is stored does not tell.

use std::cmp::Reverse;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::SqliteConnection,
};

use super::{
    days::{Mode, NumberRow},
    decode::ConversationRow,
    pages::Owner,
    read::{find, tables_of, unless_dropped},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
};

/// The time of the newest row of either kind.
pub(super) fn newest_row(
    connection: &mut SqliteConnection,
    mode: Mode,
    row: &ConversationRow,
) -> QueryResult<Option<i64>> {
    let days = (row.first_day, row.conversation.last_day);
    let messages = tables_of(connection, mode, days, MESSAGES)?;
    let errors = tables_of(connection, mode, days, ERRORS)?;
    for day in messages.into_iter().zip(errors) {
        let mut newest = None;
        for table in [day.0, day.1] {
            let time = sql_query(format!(
                "SELECT max(created_at) AS value FROM {table} WHERE conversation_id = ?"
            ))
            .bind::<Binary, _>(row.conversation.id.as_bytes().as_slice())
            .get_result::<NumberRow>(connection);
            let time = unless_dropped(connection, &table, time)?;
            newest = newest.max(time.and_then(|time| time.value));
        }
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

/// A conversation among those last active on its day.
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) newest: i64,
}

impl Entry {
    pub(super) fn order(&self) -> (Reverse<i64>, Id) {
        (Reverse(self.newest), self.id)
    }
}

#[derive(QueryableByName)]
struct EntryRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Nullable<BigInt>)]
    newest: Option<i64>,
}

/// The user's conversations that were last active on this day, in the order of the list.
pub(super) fn active_on(
    connection: &mut SqliteConnection,
    mode: Mode,
    owner: Owner<'_>,
    day: Day,
) -> QueryResult<Vec<Entry>> {
    let messages = mode.table(MESSAGES, day);
    let errors = mode.table(ERRORS, day);
    let query = |newest: &str| {
        sql_query(format!(
            "SELECT id, {newest} AS newest FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day = ?"
        ))
        .bind::<Text, _>(owner.tenant)
        .bind::<Text, _>(owner.user)
        .bind::<Text, _>(day.to_string())
    };
    // max() of a NULL and a number is NULL: a conversation may have rows of one kind only.
    let newest = format!(
        "(SELECT max(time) FROM (\
         SELECT max(created_at) AS time FROM {messages} WHERE conversation_id = conversations.id \
         UNION ALL \
         SELECT max(created_at) FROM {errors} WHERE conversation_id = conversations.id))"
    );
    let rows = query(&newest).load(connection);
    let rows: Vec<EntryRow> = match unless_dropped(connection, &messages, rows)? {
        Some(rows) => rows,
        None => query("NULL").load(connection)?,
    };
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let Ok(id) = row.id.try_into().map(Id::from_bytes) else {
            continue;
        };
        let newest = match row.newest {
            Some(newest) => newest,
            None => newest_of_earlier_days(connection, mode, id)?,
        };
        entries.push(Entry { id, newest });
    }
    entries.sort_unstable_by_key(Entry::order);
    Ok(entries)
}

/// The time of the newest row of a conversation that has none on its last day: somebody dropped it.
fn newest_of_earlier_days(
    connection: &mut SqliteConnection,
    mode: Mode,
    id: Id,
) -> QueryResult<i64> {
    let Some(row) = find(connection, id)? else {
        return Ok(0);
    };
    let newest = newest_row(connection, mode, &row)?;
    Ok(newest.unwrap_or(row.conversation.created_at))
}
