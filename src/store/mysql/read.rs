//! Conversations with their messages and failed exchanges.

use diesel_async::AsyncMysqlConnection;

use super::{
    counts::Uncounted,
    days,
    decode::{ConversationRow, ErrorRow, MessageRow},
    error::{Answer, NO_SUCH_TABLE, asked},
    latest,
    layout::Mode,
    list::{complete, find},
    reading::note_missed,
};
use crate::{
    id::Id,
    partition::Day,
    store::{Conversation, Page, StoredError, StoredMessage},
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
    uncounted: &Uncounted,
    id: Id,
    before: Option<Id>,
    limit: usize,
) -> Answer<Option<(Conversation, Page<StoredMessage>)>> {
    let Some(row) = find(connection, id).await? else {
        return Ok(None);
    };
    let messages = messages_of(connection, mode, &row, before, limit).await?;
    let mut conversations = complete(connection, mode, uncounted, vec![row]).await?;
    Ok(conversations.pop().map(|found| (found, messages)))
}

async fn messages_of(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: &ConversationRow,
    before: Option<Id>,
    limit: usize,
) -> Answer<Page<StoredMessage>> {
    let page = latest::page::<MessageRow>(connection, mode, conversation, before, limit).await?;
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
    let page = latest::page::<ErrorRow>(connection, mode, &found, before, limit).await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
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
        Err(fault) if fault.is(NO_SUCH_TABLE) => {
            note_missed();
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// A number of rows as MySQL counts them.
pub(super) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
