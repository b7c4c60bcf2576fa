//! Conversations, by id and by name.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::{
    counts::{Uncounted, complete},
    days::Mode,
    decode::ConversationRow,
    read::find,
    statement::{Statement, Value},
};
use crate::{
    id::Id,
    store::{Conversation, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The conversation with this id.
pub(super) fn conversation(
    connection: &mut SqliteConnection,
    mode: Mode,
    id: Id,
) -> QueryResult<Option<Conversation>> {
    let Some(row) = find(connection, id)? else {
        return Ok(None);
    };
    let uncounted = Uncounted::find(connection)?;
    complete(connection, mode, row, &uncounted, None).map(Some)
}

/// The conversations that bear this session id, oldest first.
pub(super) fn named(
    connection: &mut SqliteConnection,
    mode: Mode,
    tenant: &str,
    session_id: &str,
) -> QueryResult<Vec<Conversation>> {
    let columns = columns::SQLITE_CONVERSATION;
    let named = Statement {
        sql: &format!(
            "SELECT {columns} FROM conversations WHERE tenant = ? AND session_id = ? \
             ORDER BY created_at, id LIMIT {MAX_NAMED}"
        ),
        values: &[Value::Text(tenant), Value::Text(session_id)],
    };
    let rows: Vec<ConversationRow> = named.load(connection)?;
    let uncounted = Uncounted::find(connection)?;
    rows.into_iter()
        .map(|row| complete(connection, mode, row, &uncounted, None))
        .collect()
}
