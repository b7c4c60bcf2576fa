//! Conversations, by id and by name.

use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    counts::{self, Uncounted},
    decode::ConversationRow,
    error::Answer,
    layout::Mode,
    newest,
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
    uncounted: &Uncounted,
    id: Id,
) -> Answer<Option<Conversation>> {
    let rows = find(connection, id).await?.into_iter().collect();
    let mut found = complete(connection, mode, uncounted, rows).await?;
    Ok(found.pop())
}

/// The conversations that bear this session id, oldest first.
pub(super) async fn named(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    uncounted: &Uncounted,
    tenant: &str,
    session_id: &str,
) -> Answer<Vec<Conversation>> {
    let columns = columns::MYSQL_CONVERSATION;
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
    let rows = named.load(connection).await?;
    complete(connection, mode, uncounted, rows).await
}

/// Adds the times of the newest rows, and what the stored counts do not know.
pub(super) async fn complete(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    uncounted: &Uncounted,
    mut rows: Vec<ConversationRow>,
) -> Answer<Vec<Conversation>> {
    for row in &mut rows {
        let newest = match uncounted.newest_of(row) {
            Some(newest) => Some(newest),
            None => newest::of(connection, mode, row).await?,
        };
        row.conversation.updated_at = newest.unwrap_or(row.conversation.created_at);
    }
    counts::complete(connection, mode, &mut rows, uncounted).await?;
    Ok(rows.into_iter().map(|row| row.conversation).collect())
}

/// The conversation with this id, as it stands.
pub(super) async fn find(
    connection: &mut AsyncMysqlConnection,
    conversation: Id,
) -> Answer<Option<ConversationRow>> {
    let columns = columns::MYSQL_CONVERSATION;
    let find = Statement {
        sql: &format!("SELECT {columns} FROM conversations WHERE id = ?"),
        values: &[Value::Bytes(*conversation.as_bytes())],
    };
    let rows: Vec<ConversationRow> = find.load(connection).await?;
    Ok(rows.into_iter().next())
}
