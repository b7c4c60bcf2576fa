//! Conversations with their messages and failed exchanges.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::try_join;

use super::{
    counts::Uncounted,
    decode::{ConversationRow, ErrorRow, MessageRow, PgId},
    latest, list,
    prepared::{Bind, Prepared},
};
use crate::{
    id::Id,
    store::{Conversation, Page, StoredError, StoredMessage, columns},
};

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
    let (found, uncounted) = try_join!(find(connection, id), Uncounted::find(connection))?;
    let Some(found) = found else {
        return Ok(None);
    };
    let messages = messages_of(connection, &found, before, limit);
    let conversations = list::complete(connection, vec![found.clone()], uncounted);
    let (messages, mut conversations) = try_join!(messages, conversations)?;
    Ok(conversations.pop().map(|found| (found, messages)))
}

async fn messages_of(
    connection: &AsyncPgConnection,
    conversation: &ConversationRow,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<StoredMessage>> {
    let page = latest::page::<MessageRow>(connection, conversation, before, limit).await?;
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
    let page = latest::page::<ErrorRow>(connection, &found, before, limit).await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The conversation with this id, as it stands.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    conversation: Id,
) -> QueryResult<Option<ConversationRow>> {
    let columns = columns::POSTGRES_CONVERSATION;
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
