//! Responses that a client goes on from by the provider's id.

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Binary},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    days::Mode,
    read::unless_dropped,
    recall::{ASKED_AT_ONCE, bytes, id, marks},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{ChainHash, KnownMessage, KnownResponse},
};

/// The responses with these hashes whose answers stand there.
pub(super) fn responses(
    connection: &mut SqliteConnection,
    mode: Mode,
    hashes: &[ChainHash],
) -> QueryResult<Vec<KnownResponse>> {
    let mut found = Vec::new();
    for hashes in hashes.chunks(ASKED_AT_ONCE) {
        let marks = marks(hashes.len());
        let mut query = sql_query(format!(
            "SELECT hash, conversation_id, message_id FROM response_ids WHERE hash IN ({marks})"
        ))
        .into_boxed();
        for hash in hashes {
            query = query.bind::<Binary, _>(hash.as_slice());
        }
        let rows: Vec<ResponseRow> = query.load(connection)?;
        for row in rows {
            found.extend(with_answer(connection, mode, row)?);
        }
    }
    Ok(found)
}

struct ResponseRow {
    hash: ChainHash,
    conversation_id: Id,
    message_id: Id,
}

impl QueryableByName<Sqlite> for ResponseRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self {
            hash: bytes(row, "hash")?,
            conversation_id: id(row, "conversation_id")?,
            message_id: id(row, "message_id")?,
        })
    }
}

struct AnswerRow(ChainHash);

impl QueryableByName<Sqlite> for AnswerRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self(bytes(row, "chain_hash")?))
    }
}

fn with_answer(
    connection: &mut SqliteConnection,
    mode: Mode,
    row: ResponseRow,
) -> QueryResult<Option<KnownResponse>> {
    let ResponseRow {
        hash,
        conversation_id,
        message_id,
    } = row;
    let created_at = message_id.unix_ms();
    let table = mode.table(MESSAGES, Day::from_unix_ms(created_at));
    let answers = sql_query(format!(
        "SELECT chain_hash FROM {table} WHERE conversation_id = ? AND created_at = ? AND id = ? \
         AND chain_hash IS NOT NULL"
    ))
    .bind::<Binary, _>(conversation_id.as_bytes().as_slice())
    .bind::<BigInt, _>(created_at)
    .bind::<Binary, _>(message_id.as_bytes().as_slice())
    .load(connection);
    let answers: Vec<AnswerRow> = unless_dropped(connection, &table, answers)?.unwrap_or_default();
    let answer = answers.into_iter().next();
    Ok(answer.map(|AnswerRow(chain_hash)| KnownResponse {
        hash,
        message: KnownMessage {
            conversation_id,
            id: message_id,
            chain_hash,
        },
    }))
}
