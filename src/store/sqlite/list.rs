//! Conversations, by name and by user.

use std::cmp::Reverse;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::SqliteConnection,
};

use super::{
    days::{Mode, NumberRow, TextRow},
    decode::ConversationRow,
    read::{Uncounted, complete, find, newest_row, unless_dropped},
    statement::{Statement, Value},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, Place, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The conversation with this id.
pub(super) fn conversation(
    connection: &mut SqliteConnection,
    mode: Mode,
    id: Id,
) -> QueryResult<Option<Conversation>> {
    let Some(row) = find(connection, id)? else {
        return Ok(None);
    };
    let uncounted = Uncounted::find(connection)?;
    complete(connection, mode, row, &uncounted, None).map(Some)
}

/// The conversations that bear this session id, oldest first.
pub(super) fn named(
    connection: &mut SqliteConnection,
    mode: Mode,
    tenant: &str,
    session_id: &str,
) -> QueryResult<Vec<Conversation>> {
    let columns = columns::CONVERSATION;
    let named = Statement {
        sql: &format!(
            "SELECT {columns} FROM conversations WHERE tenant = ? AND session_id = ? \
             ORDER BY created_at, id LIMIT ?"
        ),
        values: &[
            Value::Text(tenant),
            Value::Text(session_id),
            Value::Number(MAX_NAMED),
        ],
    };
    let rows: Vec<ConversationRow> = named.load(connection)?;
    let uncounted = Uncounted::find(connection)?;
    rows.into_iter()
        .map(|row| complete(connection, mode, row, &uncounted, None))
        .collect()
}

/// Whose conversations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) tenant: &'a str,
    pub(super) user: &'a str,
}

impl<'a> Owner<'a> {
    /// The values of a statement about it and a day.
    fn on(self, day: &'a str) -> [Value<'a>; 3] {
        [
            Value::Text(self.tenant),
            Value::Text(self.user),
            Value::Text(day),
        ]
    }
}

/// A user's conversations behind this place, last active first.
///
/// The index on `last_day` leads from one day to the day before, no further than the page goes, and
/// only those days' tables are read.
pub(super) fn of_user(
    connection: &mut SqliteConnection,
    mode: Mode,
    owner: Owner<'_>,
    after: Option<Place>,
    offset: usize,
    limit: usize,
) -> QueryResult<Page<Conversation>> {
    let uncounted = Uncounted::find(connection)?;
    let mut page = Page::default();
    let mut skip = offset;
    let mut next = active_day(
        connection,
        owner,
        "<=",
        after.map_or(Day::MAX, |place| place.last_day),
    )?;
    while let Some(day) = next {
        let begun = after.filter(|place| place.last_day == day);
        if begun.is_none() {
            if skip == 0 && page.data.len() == limit {
                page.has_more = true;
                break;
            }
            if skip > 0 {
                let active = count(connection, owner, day)?;
                if active <= skip {
                    skip -= active;
                    next = active_day(connection, owner, "<", day)?;
                    continue;
                }
            }
        }
        let mut active = active_on(connection, mode, owner, day)?;
        if let Some(place) = begun {
            active.retain(|entry| entry.order() > (Reverse(place.updated_at), place.id));
        }
        let passed = skip.min(active.len());
        skip -= passed;
        let room = limit - page.data.len();
        page.has_more = active.len() - passed > room;
        for entry in active.into_iter().skip(passed).take(room) {
            if let Some(row) = find(connection, entry.id)? {
                let newest = Some(entry.newest);
                page.data
                    .push(complete(connection, mode, row, &uncounted, newest)?);
            }
        }
        if page.has_more {
            break;
        }
        next = active_day(connection, owner, "<", day)?;
    }
    Ok(page)
}

/// The newest day before (`<`), or before or on (`<=`), this one on which one of the user's
/// conversations was last active.
fn active_day(
    connection: &mut SqliteConnection,
    owner: Owner<'_>,
    before: &str,
    day: Day,
) -> QueryResult<Option<Day>> {
    let day = day.to_string();
    let newest = Statement {
        sql: &format!(
            "SELECT last_day AS value FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day {before} ? \
             ORDER BY last_day DESC LIMIT 1"
        ),
        values: &owner.on(&day),
    };
    let row: Option<TextRow> = newest.get_result(connection).optional()?;
    Ok(row.and_then(|row| Day::parse(&row.value)))
}

fn count(connection: &mut SqliteConnection, owner: Owner<'_>, day: Day) -> QueryResult<usize> {
    let day = day.to_string();
    let count = Statement {
        sql: "SELECT count(*) AS value FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day = ?",
        values: &owner.on(&day),
    };
    let row: NumberRow = count.get_result(connection)?;
    Ok(row
        .value
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(0))
}

/// A conversation among those last active on its day.
struct Entry {
    id: Id,
    newest: i64,
}

impl Entry {
    fn order(&self) -> (Reverse<i64>, Id) {
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
fn active_on(
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
