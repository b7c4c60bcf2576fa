//! Messages and failed exchanges of a conversation, from the partitions of its own days alone.

use diesel::{
    deserialize::QueryableByName,
    pg::Pg,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Timestamptz, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    days::NumberRow,
    decode::{ConversationRow, ErrorRow, MessageRow, PgId, time},
};
use crate::{
    id::Id,
    partition::{ERRORS, MESSAGES},
    store::{Page, StoredError, StoredMessage, columns, page::Room},
};

/// Behind every id.
const LAST: Id = Id::from_bytes([255; 16]);

/// The latest messages before this one, oldest first.
pub(super) async fn messages(
    connection: &mut AsyncPgConnection,
    conversation: Id,
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
    connection: &mut AsyncPgConnection,
    conversation: Id,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredError>> {
    let rows = Latest {
        table: ERRORS,
        columns: columns::ERROR,
        bytes: columns::ERROR_BYTES,
    };
    let page = rows.page::<ErrorRow>(connection, conversation, before, limit);
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

impl Latest {
    async fn page<T: QueryableByName<Pg> + Send + 'static>(
        &self,
        connection: &mut AsyncPgConnection,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> QueryResult<Page<T>> {
        let Some(found) = find(connection, conversation).await? else {
            return Ok(Page::default());
        };
        // With the first and the last day known, the plan has no other partition. An id tells its
        // row's time, so that it bounds the days too.
        let end = found.conversation.last_day.end_ms();
        let before = before.unwrap_or(LAST);
        let newest = |what: &str, limit: usize| {
            sql_query(format!(
                "SELECT {what} FROM {} AS t \
                 WHERE conversation_id = $1 AND created_at >= $2 AND created_at < $3 \
                 AND (created_at, id) < ($4, $5) ORDER BY created_at DESC, id DESC LIMIT $6",
                self.table
            ))
            .bind::<Uuid, _>(PgId(conversation))
            .bind::<Timestamptz, _>(time(found.first_day.start_ms()))
            .bind::<Timestamptz, _>(time(end.min(before.unix_ms() + 1)))
            .bind::<Timestamptz, _>(time(before.unix_ms()))
            .bind::<Uuid, _>(PgId(before))
            .bind::<BigInt, _>(as_limit(limit))
        };
        let mut room = Room::new(limit);
        let bytes = format!("({})::bigint AS value", self.bytes);
        let sizes = newest(&bytes, room.to_look_at());
        let sizes: Vec<NumberRow> = sizes.load(connection).await?;
        let fitting = room.take(sizes.into_iter().map(|row| row.value));
        let mut rows: Vec<T> = newest(self.columns, fitting).load(connection).await?;
        rows.reverse();
        Ok(Page {
            data: rows,
            has_more: room.has_more,
        })
    }
}

/// The conversation with this id, as it stands.
pub(super) async fn find(
    connection: &mut AsyncPgConnection,
    conversation: Id,
) -> QueryResult<Option<ConversationRow>> {
    let columns = columns::CONVERSATION;
    sql_query(format!("SELECT {columns} FROM conversations WHERE id = $1"))
        .bind::<Uuid, _>(PgId(conversation))
        .get_result(connection)
        .await
        .optional()
}

/// A number of rows as PostgreSQL counts them.
pub(super) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
