//! Messages and failed exchanges of a conversation, newest day first, and no more days than needed.

use diesel::{deserialize::QueryableByName as Build, mysql::Mysql};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days::{self, NumberRow},
    decode::{ConversationRow, ErrorRow, MessageRow},
    error::{Answer, NO_SUCH_TABLE, asked},
    insert,
    layout::Mode,
    list::{complete_one, find},
    statement::{Once, Statement, Value},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, StoredError, StoredMessage, columns, page::Room},
};

/// The latest messages, oldest first.
pub(super) async fn messages(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> Answer<Page<StoredMessage>> {
    match find(connection, conversation).await? {
        Some(found) => messages_of(connection, mode, &found, before, limit).await,
        None => Ok(Page::default()),
    }
}

/// A conversation with its latest messages before this one.
pub(super) async fn conversation_with_messages(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    id: Id,
    before: Option<Id>,
    limit: usize,
) -> Answer<Option<(Conversation, Page<StoredMessage>)>> {
    let Some(row) = find(connection, id).await? else {
        return Ok(None);
    };
    let messages = messages_of(connection, mode, &row, before, limit).await?;
    let conversation = complete_one(connection, mode, row).await?;
    Ok(conversation.map(|found| (found, messages)))
}

async fn messages_of(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: &ConversationRow,
    before: Option<Id>,
    limit: usize,
) -> Answer<Page<StoredMessage>> {
    let rows = Latest {
        mode,
        prefix: MESSAGES,
        conversation: conversation.conversation.id,
        before,
    };
    let page = rows.page::<MessageRow>(connection, conversation, limit);
    let page = page.await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The latest failed exchanges, oldest first.
pub(super) async fn errors(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> Answer<Page<StoredError>> {
    let Some(found) = find(connection, conversation).await? else {
        return Ok(Page::default());
    };
    let rows = Latest {
        mode,
        prefix: ERRORS,
        conversation,
        before,
    };
    let page = rows.page::<ErrorRow>(connection, &found, limit).await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The rows of one kind of a conversation.
struct Latest<'a> {
    mode: Mode,
    prefix: &'a str,
    conversation: Id,
    /// Only those before the one with this id, which tells its time.
    before: Option<Id>,
}

impl Latest<'_> {
    async fn page<T: Build<Mysql> + Send + 'static>(
        &self,
        connection: &mut AsyncMysqlConnection,
        found: &ConversationRow,
        limit: usize,
    ) -> Answer<Page<T>> {
        let (columns, bytes) = match self.prefix {
            ERRORS => (&insert::ERROR.sql, columns::ERROR_BYTES),
            _ => (&insert::MESSAGE.sql, columns::MESSAGE_BYTES),
        };
        let bytes = format!("{bytes} AS value");
        let mut room = Room::new(limit);
        let mut rows: Vec<T> = Vec::new();
        let last = found.conversation.last_day;
        let last = match self.before {
            Some(id) => Day::from_unix_ms(id.unix_ms()).min(last),
            None => last,
        };
        for table in tables(connection, self.mode, self.prefix, found.first_day, last).await? {
            let sizes: Vec<NumberRow> = self
                .newest(connection, &bytes, &table, room.to_look_at())
                .await?;
            let fitting = room.take(sizes.into_iter().filter_map(|row| row.value));
            rows.extend(self.newest(connection, columns, &table, fitting).await?);
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

    async fn newest<T: Build<Mysql> + Send + 'static>(
        &self,
        connection: &mut AsyncMysqlConnection,
        what: &str,
        table: &str,
        limit: usize,
    ) -> Answer<Vec<T>> {
        let mut values = vec![Value::Bytes(*self.conversation.as_bytes())];
        let mut behind = "";
        if let Some(id) = self.before {
            let at = Value::Time(Millis(id.unix_ms()));
            values.extend([at, at, Value::Bytes(*id.as_bytes())]);
            behind = "AND created_at <= ? AND (created_at < ? OR id < ?)";
        }
        values.push(Value::Number(as_limit(limit)));
        let query = Once(Statement {
            sql: &format!(
                "SELECT {what} FROM {table} AS t WHERE conversation_id = ? {behind} \
                 ORDER BY created_at DESC, id DESC LIMIT ?"
            ),
            values: &values,
        });
        let rows = query.load(connection).await.map_err(Into::into);
        Ok(unless_dropped(connection, rows).await?.unwrap_or_default())
    }
}

/// The tables that may hold rows of these days, newest day first.
pub(super) async fn tables(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    prefix: &str,
    first: Day,
    last: Day,
) -> Answer<Vec<String>> {
    if mode == Mode::Single {
        return Ok(vec![prefix.to_owned()]);
    }
    let days = days::between(connection, first, last).await?;
    let names = days.iter().rev().map(|day| day.table_name(prefix));
    Ok(names.collect())
}

/// The rows of a table that may have been dropped meanwhile: then there are none.
pub(super) async fn unless_dropped<T>(
    connection: &mut AsyncMysqlConnection,
    result: Answer<T>,
) -> Answer<Option<T>> {
    match asked(connection, result).await {
        Ok(rows) => Ok(Some(rows)),
        Err(fault) if fault.is(NO_SUCH_TABLE) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// A number of rows as MySQL counts them.
pub(super) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
