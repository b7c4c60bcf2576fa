//! Conversations, by id and by name.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::try_join;

use super::{
    counts::{self, Uncounted},
    decode::ConversationRow,
    newest,
    prepared::{Bind, Prepared},
    read::find,
};
use crate::{
    id::Id,
    store::{Conversation, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The conversation with this id.
pub(super) async fn conversation(
    connection: &AsyncPgConnection,
    id: Id,
) -> QueryResult<Option<Conversation>> {
    let (row, uncounted) = try_join!(find(connection, id), Uncounted::find(connection))?;
    let rows = row.into_iter().collect();
    let mut found = complete(connection, rows, uncounted).await?;
    Ok(found.pop())
}

/// The conversations that bear this session id, oldest first.
pub(super) async fn named(
    mut connection: &AsyncPgConnection,
    tenant: &str,
    session_id: &str,
) -> QueryResult<Vec<Conversation>> {
    let columns = columns::POSTGRES_CONVERSATION;
    let named = Prepared {
        sql: &format!(
            "SELECT {columns} FROM conversations WHERE tenant = ? AND session_id = ? \
             ORDER BY created_at, id LIMIT ?"
        ),
        binds: vec![
            Bind::Text(tenant.to_owned()),
            Bind::Text(session_id.to_owned()),
            Bind::Number(MAX_NAMED),
        ],
    };
    let rows = named.load(&mut connection);
    let (rows, uncounted) = try_join!(rows, Uncounted::find(connection))?;
    complete(connection, rows, uncounted).await
}

/// Adds the times of the newest rows, and what the stored counts do not know.
pub(super) async fn complete(
    connection: &AsyncPgConnection,
    mut rows: Vec<ConversationRow>,
    uncounted: Uncounted,
) -> QueryResult<Vec<Conversation>> {
    for row in &mut rows {
        let newest = match uncounted.newest_of(row) {
            Some(newest) => Some(newest),
            None => newest::of(connection, row).await?,
        };
        row.conversation.updated_at = newest.unwrap_or(row.conversation.created_at);
    }
    counts::complete(connection, &mut rows, uncounted).await?;
    Ok(rows.into_iter().map(|row| row.conversation).collect())
}
