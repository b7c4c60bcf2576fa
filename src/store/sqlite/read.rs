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
    counts::{Uncounted, complete},
    days::{self, Mode},
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
             ORDER BY created_at DESC, id DESC LIMIT {}",
            self.columns,
            as_limit(room.to_look_at())
        ))
        .into_boxed()
        .bind::<Binary, _>(conversation.as_bytes().as_slice());
        if let Some(before) = &self.before {
            query = query
                .bind::<BigInt, _>(before.unix_ms())
                .bind::<Binary, _>(before.as_bytes().as_slice());
        }
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
    let columns = columns::SQLITE_CONVERSATION;
    let find = Statement {
        sql: &format!("SELECT {columns} FROM conversations WHERE id = ?"),
        values: &[Value::Bytes(conversation.as_bytes())],
    };
    find.get_result(connection).optional()
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

/// A number of rows as SQLite counts them. Statements that are not kept have it in their text:
/// [`LIMIT`](super::statement::LIMIT) says why.
pub(super) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The tables that may hold rows of these days, newest day first.
pub(super) fn tables_of(
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
