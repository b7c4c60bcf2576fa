//! Responses that a client goes on from by the provider's id.

use diesel::{QueryableByName, sql_types::Binary};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    error::{Answer, Fault},
    layout::Mode,
    read::unless_dropped,
    recall::id,
    statement::{LONGEST_LIST, Once, Statement, Value, filled, marks},
};
use crate::{
    partition::{Day, MESSAGES},
    store::{ChainHash, KnownMessage, KnownResponse},
};

#[derive(QueryableByName)]
struct ResponseRow {
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
    #[diesel(sql_type = Binary)]
    conversation_id: Vec<u8>,
    #[diesel(sql_type = Binary)]
    message_id: Vec<u8>,
}

#[derive(QueryableByName)]
struct AnswerRow {
    #[diesel(sql_type = Binary)]
    chain_hash: Vec<u8>,
}

/// The responses with these hashes whose answers stand there.
pub(super) async fn responses(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    hashes: &[ChainHash],
) -> Answer<Vec<KnownResponse>> {
    let mut found = Vec::new();
    for hashes in hashes.chunks(LONGEST_LIST) {
        let values = filled(hashes.iter().map(|hash| Value::Bytes(*hash)).collect());
        let statement = Statement {
            sql: &format!(
                "SELECT hash, conversation_id, message_id FROM response_ids WHERE hash IN ({})",
                marks(values.len())
            ),
            values: &values,
        };
        let rows: Vec<ResponseRow> = statement.load(connection).await?;
        for row in rows {
            found.extend(with_answer(connection, mode, &row).await?);
        }
    }
    Ok(found)
}

async fn with_answer(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    row: &ResponseRow,
) -> Answer<Option<KnownResponse>> {
    let (conversation_id, message_id) = (id(&row.conversation_id), id(&row.message_id));
    let created_at = message_id.unix_ms();
    let table = mode.table(MESSAGES, Day::from_unix_ms(created_at));
    let statement = Once(Statement {
        sql: &format!(
            "SELECT chain_hash FROM {table} WHERE conversation_id = ? AND created_at = ? AND id = ? \
             AND chain_hash IS NOT NULL"
        ),
        values: &[
            Value::Bytes(*conversation_id.as_bytes()),
            Value::Time(Millis(created_at)),
            Value::Bytes(*message_id.as_bytes()),
        ],
    });
    let answers = statement.load(connection).await.map_err(Fault::from);
    let answers: Option<Vec<AnswerRow>> = unless_dropped(connection, answers).await?;
    let answer = answers.and_then(|answers| answers.into_iter().next());
    Ok(answer.map(|answer| KnownResponse {
        hash: *id(&row.hash).as_bytes(),
        message: KnownMessage {
            conversation_id,
            id: message_id,
            chain_hash: *id(&answer.chain_hash).as_bytes(),
        },
    }))
}
