//! What was asked last in a conversation whose last answer is not whole.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Binary, Nullable},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    error::{Answer, Fault},
    layout::Mode,
    read::{as_limit, tables, unless_dropped},
    recall::id,
    statement::{Once, Statement, Value},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{KnownMessage, NEAR_ROWS, Near, Unanswered},
};

#[derive(QueryableByName)]
struct NearRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Binary)]
    chain_hash: Vec<u8>,
    #[diesel(sql_type = Binary)]
    exchange_id: Vec<u8>,
    #[diesel(sql_type = Nullable<Binary>)]
    parent_id: Option<Vec<u8>>,
    #[diesel(sql_type = BigInt)]
    is_answer: i64,
}

/// What was asked last, from the newest rows of these days, newest day first.
pub(super) async fn unanswered(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    first: Day,
    last: Day,
) -> Answer<Option<Unanswered>> {
    let mut near: Vec<Near> = Vec::new();
    for table in tables(connection, mode, MESSAGES, first, last).await? {
        let statement = Once(Statement {
            sql: &format!(
                "SELECT id, chain_hash, exchange_id, parent_id, \
                 CAST(role = 'assistant' AS SIGNED) AS is_answer FROM {table} \
                 WHERE conversation_id = ? AND created_at >= ? AND choice_index = 0 \
                 AND chain_hash IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT ?"
            ),
            values: &[
                Value::Bytes(*conversation.as_bytes()),
                Value::Time(Millis(first.start_ms())),
                Value::Number(as_limit(NEAR_ROWS - near.len())),
            ],
        });
        let rows = statement.load(connection).await.map_err(Fault::from);
        let rows: Option<Vec<NearRow>> = unless_dropped(connection, rows).await?;
        let rows = rows.unwrap_or_default().into_iter();
        near.extend(rows.map(|row| Near {
            message: KnownMessage {
                conversation_id: conversation,
                id: id(&row.id),
                chain_hash: *id(&row.chain_hash).as_bytes(),
            },
            exchange_id: id(&row.exchange_id),
            parent_id: row.parent_id.as_deref().map(id),
            is_answer: row.is_answer != 0,
        }));
        let found = Unanswered::among(&near);
        if found.is_some() || near.len() >= NEAR_ROWS {
            return Ok(found);
        }
    }
    Ok(None)
}
