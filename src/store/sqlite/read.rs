//! Messages and failed exchanges of a conversation, newest day first, and no more days than needed.

use diesel::{
    connection::DefaultLoadingMode,
    deserialize::QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    days::{self, Mode, NumberRow, TextRow},
    decode::{ConversationRow, ErrorRow, MessageRow, Texts},
    statement::{Statement, Value},
    tables,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, StoredError, StoredMessage, columns, page::Room},
};

/// The latest messages, oldest first.
pub(super) fn messages(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredMessage>> {
    match find(connection, conversation)? {
        Some(found) => messages_of(connection, mode, &found, before, limit),
        None => Ok(Page::default()),
    }
}

/// A conversation with its latest messages before this one.
pub(super) fn conversation_with_messages(
    connection: &mut SqliteConnection,
    mode: Mode,
    id: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Option<(Conversation, Page<StoredMessage>)>> {
    let Some(found) = find(connection, id)? else {
        return Ok(None);
    };
    let messages = messages_of(connection, mode, &found, before, limit)?;
    let uncounted = Uncounted::find(connection)?;
    let conversation = complete(connection, mode, found, &uncounted, None)?;
    Ok(Some((conversation, messages)))
}

fn messages_of(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversation: &ConversationRow,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredMessage>> {
    let rows = Latest {
        mode,
        prefix: MESSAGES,
        columns: columns::MESSAGE,
        before,
    };
    let page = rows.page::<MessageRow>(connection, conversation, limit)?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The latest failed exchanges, oldest first.
pub(super) fn errors(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredError>> {
    let Some(found) = find(connection, conversation)? else {
        return Ok(Page::default());
    };
    let rows = Latest {
        mode,
        prefix: ERRORS,
        columns: columns::ERROR,
        before,
    };
    let page = rows.page::<ErrorRow>(connection, &found, limit)?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The rows of one kind of a conversation.
struct Latest {
    mode: Mode,
    prefix: &'static str,
    columns: &'static str,
    /// Only those before the one with this id, which tells its time.
    before: Option<Id>,
}

impl Latest {
    fn page<T: QueryableByName<Sqlite> + Texts + 'static>(
        &self,
        connection: &mut SqliteConnection,
        found: &ConversationRow,
        limit: usize,
    ) -> QueryResult<Page<T>> {
        let mut room = Room::new(limit);
        let mut rows = Vec::new();
        let Conversation { id, last_day, .. } = found.conversation;
        let last_day = match self.before {
            Some(before) => Day::from_unix_ms(before.unix_ms()).min(last_day),
            None => last_day,
        };
        let days = (found.first_day, last_day);
        for table in tables_of(connection, self.mode, days, self.prefix)? {
            let taken = self.take(connection, &table, id, &mut room, &mut rows);
            unless_dropped(connection, &table, taken)?;
            if room.has_more {
                break;
            }
        }
        rows.reverse();
        Ok(Page {
            data: rows,
            has_more: room.has_more,
        })
    }

    /// Takes the newest rows of a table one after the other, as long as there is room.
    fn take<T: QueryableByName<Sqlite> + Texts + 'static>(
        &self,
        connection: &mut SqliteConnection,
        table: &str,
        conversation: Id,
        room: &mut Room,
        rows: &mut Vec<T>,
    ) -> QueryResult<()> {
        let bound = match self.before {
            Some(_) => " AND (created_at, id) < (?, ?)",
            None => "",
        };
        let mut query = sql_query(format!(
            "SELECT {} FROM {table} WHERE conversation_id = ?{bound} \
             ORDER BY created_at DESC, id DESC LIMIT ?",
            self.columns
        ))
        .into_boxed()
        .bind::<Binary, _>(conversation.as_bytes().as_slice());
        if let Some(before) = &self.before {
            query = query
                .bind::<BigInt, _>(before.unix_ms())
                .bind::<Binary, _>(before.as_bytes().as_slice());
        }
        let query = query.bind::<BigInt, _>(as_limit(room.to_look_at()));
        for row in query.load_iter::<T, DefaultLoadingMode>(connection)? {
            let row = row?;
            if !room.fits(row.bytes()) {
                break;
            }
            rows.push(row);
        }
        Ok(())
    }
}

/// The conversation with this id, as it stands.
pub(super) fn find(
    connection: &mut SqliteConnection,
    conversation: Id,
) -> QueryResult<Option<ConversationRow>> {
    let columns = columns::CONVERSATION;
    let find = Statement {
        sql: &format!("SELECT {columns} FROM conversations WHERE id = ?"),
        values: &[Value::Bytes(conversation.as_bytes())],
    };
    find.get_result(connection).optional()
}

/// The days of which a conversation's stored count does not know all.
pub(super) struct Uncounted {
    /// Not closed yet: no count has them.
    open: Vec<Day>,
    /// Closed, and written to since: the counts have a part of them.
    dirty: Vec<Day>,
}

impl Uncounted {
    pub(super) fn find(connection: &mut SqliteConnection) -> QueryResult<Self> {
        let mut days = |condition: &str| {
            let days = Statement {
                sql: &format!("SELECT day AS value FROM recording_days WHERE {condition}"),
                values: &[],
            };
            let rows: Vec<TextRow> = days.load(connection)?;
            QueryResult::Ok(days::parse(&rows))
        };
        Ok(Self {
            open: days("closed_at IS NULL")?,
            dirty: days("closed_at IS NOT NULL AND dirty <> 0")?,
        })
    }
}

/// Adds what the stored count does not know, and the time of the newest row where it is not known yet.
pub(super) fn complete(
    connection: &mut SqliteConnection,
    mode: Mode,
    row: ConversationRow,
    uncounted: &Uncounted,
    newest: Option<i64>,
) -> QueryResult<Conversation> {
    let within = |day: &&Day| row.first_day <= **day && **day <= row.conversation.last_day;
    let (mut count, days) = if uncounted.dirty.iter().any(|day| within(&day)) {
        (
            0,
            days::between(connection, row.first_day, row.conversation.last_day)?,
        )
    } else {
        let open = uncounted.open.iter().filter(within).copied();
        (row.conversation.message_count, open.collect())
    };
    for day in days {
        count += count_day(connection, mode, row.conversation.id, day)?;
    }
    let newest = match newest {
        Some(newest) => Some(newest),
        None => newest_row(connection, mode, &row)?,
    };
    let mut conversation = row.conversation;
    conversation.message_count = count;
    conversation.updated_at = newest.unwrap_or(conversation.created_at);
    Ok(conversation)
}

/// The rows of a table that may have been dropped meanwhile: then there are none.
pub(super) fn unless_dropped<T>(
    connection: &mut SqliteConnection,
    table: &str,
    result: QueryResult<T>,
) -> QueryResult<Option<T>> {
    match result {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if tables::exists(connection, table)? => Err(error),
        Err(_) => Ok(None),
    }
}

/// A number of rows as SQLite counts them.
pub(super) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn count_day(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversation: Id,
    day: Day,
) -> QueryResult<i64> {
    let table = mode.table(MESSAGES, day);
    let counted = columns::COUNTED;
    let count = sql_query(format!(
        "SELECT count(*) AS value FROM {table} \
         WHERE conversation_id = ? AND created_at >= ? AND created_at < ? AND {counted}"
    ))
    .bind::<Binary, _>(conversation.as_bytes().as_slice())
    .bind::<BigInt, _>(day.start_ms())
    .bind::<BigInt, _>(day.end_ms())
    .get_result::<NumberRow>(connection);
    let row = unless_dropped(connection, &table, count)?;
    Ok(row.and_then(|row| row.value).unwrap_or(0))
}

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

/// The tables that may hold rows of these days, newest day first.
fn tables_of(
    connection: &mut SqliteConnection,
    mode: Mode,
    (first, last): (Day, Day),
    prefix: &str,
) -> QueryResult<Vec<String>> {
    if mode == Mode::Single {
        return Ok(vec![prefix.to_owned()]);
    }
    let days = days::between(connection, first, last)?;
    Ok(days
        .iter()
        .rev()
        .map(|day| day.table_name(prefix))
        .collect())
}
