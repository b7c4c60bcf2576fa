//! Conversations, by id and by name.

use diesel::{
    sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    complete::{Listed, complete},
    decode::ConversationRow,
    error::Answer,
    layout::Mode,
    statement::{Statement, Value},
};
use crate::{
    id::Id,
    store::{Conversation, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The conversation with this id.
pub(super) async fn conversation(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    id: Id,
) -> Answer<Option<Conversation>> {
    match find(connection, id).await? {
        Some(row) => complete_one(connection, mode, row).await,
        None => Ok(None),
    }
}

/// Completes this conversation.
pub(super) async fn complete_one(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    row: ConversationRow,
) -> Answer<Option<Conversation>> {
    let rows = vec![Listed {
        row,
        active_at: None,
    }];
    let completed = complete(connection, mode, rows).await?;
    Ok(completed.into_iter().next())
}

/// The conversations that bear this session id, oldest first.
pub(super) async fn named(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    tenant: &str,
    session_id: &str,
) -> Answer<Vec<Conversation>> {
    let columns = columns::CONVERSATION;
    let rows: Vec<ConversationRow> = sql_query(format!(
        "SELECT {columns} FROM conversations WHERE tenant = ? AND session_id = ? \
         ORDER BY created_at, id LIMIT ?"
    ))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(session_id)
    .bind::<BigInt, _>(MAX_NAMED)
    .load(connection)
    .await?;
    let rows = rows.into_iter().map(|row| Listed {
        row,
        active_at: None,
    });
    complete(connection, mode, rows.collect()).await
}

/// The conversation with this id, as it stands.
pub(super) async fn find(
    connection: &mut AsyncMysqlConnection,
    conversation: Id,
) -> Answer<Option<ConversationRow>> {
    const FIND: &str = "SELECT id, tenant, session_id, user_identifier, title, session_source, \
         created_at, message_count, first_day, last_day FROM conversations WHERE id = ?";
    let find = Statement {
        sql: FIND,
        values: &[Value::Bytes(*conversation.as_bytes())],
    };
    let rows: Vec<ConversationRow> = find.load(connection).await?;
    Ok(rows.into_iter().next())
}
