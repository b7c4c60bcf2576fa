//! Messages and failed exchanges of a conversation, newest day first, and no more days than needed.

use diesel::{
    deserialize::QueryableByName,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    days::{self, Mode, NumberRow, TextRow},
    decode::{ConversationRow, ErrorRow, MessageRow},
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
    let page = latest::<MessageRow>(connection, mode, MESSAGES, conversation, before, limit)?;
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
    let page = latest::<ErrorRow>(connection, mode, ERRORS, conversation, before, limit)?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

fn latest<T: QueryableByName<Sqlite> + 'static>(
    connection: &mut SqliteConnection,
    mode: Mode,
    prefix: &str,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<T>> {
    let (columns, bytes) = match prefix {
        ERRORS => (columns::ERROR, columns::ERROR_BYTES),
        _ => (columns::MESSAGE, columns::MESSAGE_BYTES),
    };
    // An id begins with its row's time, and the rows of one time are in the order of their ids.
    let end = before.map(|id| (id.unix_ms(), id));
    let bound = match end {
        Some(_) => " AND (created_at, id) < (?, ?)",
        None => "",
    };
    let newest = |what: &str, table: &str, limit: usize| {
        let mut query = sql_query(format!(
            "SELECT {what} FROM {table} AS t WHERE conversation_id = ?{bound} \
             ORDER BY created_at DESC, id DESC LIMIT ?"
        ))
        .into_boxed()
        .bind::<Binary, _>(conversation.as_bytes().as_slice());
        if let Some((time, id)) = &end {
            query = query
                .bind::<BigInt, _>(*time)
                .bind::<Binary, _>(id.as_bytes().as_slice());
        }
        query.bind::<BigInt, _>(as_limit(limit))
    };
    let mut room = Room::new(limit);
    let mut rows: Vec<T> = Vec::new();
    if let Some(mut found) = find(connection, conversation)? {
        if let Some((time, _)) = end {
            let last_day = &mut found.conversation.last_day;
            *last_day = Day::from_unix_ms(time).min(*last_day);
        }
        for table in tables_of(connection, mode, &found, prefix)? {
            let sizes = newest(&format!("{bytes} AS value"), &table, room.to_look_at());
            let sizes = sizes.load::<NumberRow>(connection);
            let sizes = unless_dropped(connection, &table, sizes)?.unwrap_or_default();
            let sizes = sizes.into_iter().filter_map(|row| row.value);
            let day = newest(columns, &table, room.take(sizes)).load(connection);
            rows.extend(unless_dropped(connection, &table, day)?.unwrap_or_default());
            if room.has_more {
                break;
            }
        }
    }
    rows.reverse();
    Ok(Page {
        data: rows,
        has_more: room.has_more,
    })
}

/// The conversation with this id, as it stands.
pub(super) fn find(
    connection: &mut SqliteConnection,
    conversation: Id,
) -> QueryResult<Option<ConversationRow>> {
    let columns = columns::CONVERSATION;
    sql_query(format!("SELECT {columns} FROM conversations WHERE id = ?"))
        .bind::<Binary, _>(conversation.as_bytes().as_slice())
        .get_result(connection)
        .optional()
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
            let query = format!("SELECT day AS value FROM recording_days WHERE {condition}");
            let rows: Vec<TextRow> = sql_query(query).load(connection)?;
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
    let messages = tables_of(connection, mode, row, MESSAGES)?;
    let errors = tables_of(connection, mode, row, ERRORS)?;
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

/// The tables that may hold rows of this conversation, newest day first.
fn tables_of(
    connection: &mut SqliteConnection,
    mode: Mode,
    row: &ConversationRow,
    prefix: &str,
) -> QueryResult<Vec<String>> {
    if mode == Mode::Single {
        return Ok(vec![prefix.to_owned()]);
    }
    let days = days::between(connection, row.first_day, row.conversation.last_day)?;
    Ok(days
        .iter()
        .rev()
        .map(|day| day.table_name(prefix))
        .collect())
}
