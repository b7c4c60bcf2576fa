//! Messages and failed exchanges of a conversation, from the partitions of its own days alone.

use diesel::{
    deserialize::{self, QueryableByName},
    pg::Pg,
    prelude::*,
    row::NamedRow,
    sql_types::BigInt,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::try_join;

use super::{
    decode::{ConversationRow, ErrorRow, MessageRow, PgId, time},
    list,
    prepared::{Bind, Prepared},
};
use crate::{
    id::Id,
    partition::{ERRORS, MESSAGES},
    store::{Conversation, MAX_PAGE_BYTES, Page, StoredError, StoredMessage, columns},
};

/// Behind every id.
const LAST: Id = Id::from_bytes([255; 16]);

/// The latest messages before this one, oldest first.
pub(super) async fn messages(
    connection: &AsyncPgConnection,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredMessage>> {
    match find(connection, conversation).await? {
        Some(found) => messages_of(connection, &found, before, limit).await,
        None => Ok(Page::default()),
    }
}

/// A conversation with its latest messages before this one.
pub(super) async fn conversation_with_messages(
    connection: &AsyncPgConnection,
    id: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Option<(Conversation, Page<StoredMessage>)>> {
    let Some(found) = find(connection, id).await? else {
        return Ok(None);
    };
    let messages = messages_of(connection, &found, before, limit);
    let conversations = list::complete(connection, vec![found.clone()]);
    let (messages, mut conversations) = try_join!(messages, conversations)?;
    Ok(conversations.pop().map(|found| (found, messages)))
}

async fn messages_of(
    connection: &AsyncPgConnection,
    conversation: &ConversationRow,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredMessage>> {
    let rows = Latest {
        table: MESSAGES,
        columns: columns::MESSAGE,
        bytes: columns::MESSAGE_BYTES,
    };
    let page = rows.page::<MessageRow>(connection, conversation, before, limit);
    let page = page.await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The latest failed exchanges before this one, oldest first.
pub(super) async fn errors(
    connection: &AsyncPgConnection,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredError>> {
    let Some(found) = find(connection, conversation).await? else {
        return Ok(Page::default());
    };
    let rows = Latest {
        table: ERRORS,
        columns: columns::ERROR,
        bytes: columns::ERROR_BYTES,
    };
    let page = rows.page::<ErrorRow>(connection, &found, before, limit);
    let page = page.await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The rows of one kind.
struct Latest {
    table: &'static str,
    columns: &'static str,
    /// The size of a row.
    bytes: &'static str,
}

/// A row, and how many were looked at for the page that it is on.
struct Counted<T> {
    row: T,
    looked_at: i64,
}

impl<T: QueryableByName<Pg>> QueryableByName<Pg> for Counted<T> {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        Ok(Self {
            row: T::build(row)?,
            looked_at: NamedRow::get::<BigInt, _>(row, "looked_at")?,
        })
    }
}

impl Latest {
    async fn page<T: QueryableByName<Pg> + Send + 'static>(
        &self,
        mut connection: &AsyncPgConnection,
        found: &ConversationRow,
        before: Option<Id>,
        limit: usize,
    ) -> QueryResult<Page<T>> {
        // With the first and the last day known, the plan has no other partition. An id tells its
        // row's time, so that it bounds the days too.
        let end = found.conversation.last_day.end_ms();
        let before = before.unwrap_or(LAST);
        let newest = Prepared {
            sql: &self.fitting(),
            binds: vec![
                Bind::Id(PgId(found.conversation.id)),
                Bind::Time(time(found.first_day.start_ms())),
                Bind::Time(time(end.min(before.unix_ms() + 1))),
                Bind::Time(time(before.unix_ms())),
                Bind::Id(PgId(before)),
                Bind::Number(as_limit(limit.saturating_add(1))),
            ],
        };
        let rows: Vec<Counted<T>> = newest.load(&mut connection).await?;
        let looked_at = rows.iter().map(|row| row.looked_at).max().unwrap_or(0);
        let mut page: Vec<T> = rows.into_iter().map(|row| row.row).collect();
        page.truncate(limit);
        page.reverse();
        Ok(Page {
            has_more: looked_at > as_limit(page.len()),
            data: page,
        })
    }

    /// The newest rows as far as they have room on a page, and the first in any case. What a row comes
    /// to is known without its texts.
    fn fitting(&self) -> String {
        let Self {
            table,
            columns,
            bytes,
        } = self;
        format!(
            "SELECT {columns}, looked_at FROM (\
             SELECT t.*, count(*) OVER () AS looked_at, row_number() OVER newest AS place, \
             sum({bytes}) OVER newest AS come_to FROM (\
             SELECT {columns} FROM {table} WHERE conversation_id = ? \
             AND created_at >= ? AND created_at < ? AND (created_at, id) < (?, ?) \
             ORDER BY created_at DESC, id DESC LIMIT ?) AS t \
             WINDOW newest AS (ORDER BY created_at DESC, id DESC ROWS UNBOUNDED PRECEDING)) AS t \
             WHERE place = 1 OR come_to <= {MAX_PAGE_BYTES} ORDER BY created_at DESC, id DESC"
        )
    }
}

/// The conversation with this id, as it stands.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    conversation: Id,
) -> QueryResult<Option<ConversationRow>> {
    let columns = columns::CONVERSATION;
    let find = Prepared {
        sql: &format!("SELECT {columns} FROM conversations WHERE id = ?"),
        binds: vec![Bind::Id(PgId(conversation))],
    };
    find.get_result(&mut connection).await.optional()
}

/// A number of rows as PostgreSQL counts them.
pub(super) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
