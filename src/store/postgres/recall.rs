//! What a writer asks about the past. It asks before nearly every batch, so all statements are prepared.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use diesel::{
    deserialize::{self, QueryableByName},
    pg::{Pg, data_types::PgDate},
    prelude::*,
    result::Error,
    row::NamedRow,
    sql_query,
    sql_types::{Bool, Bytea, Date, Nullable, Text, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    citus,
    decode::{PgId, day_of, time},
    prepared::{Bind, Prepared},
    time::now,
};
use crate::{
    id::Id,
    partition::Day,
    store::{
        ChainHash, Head, KnownMessage, KnownResponse, Near, Recall, Recalled, Unanswered,
        UnixMillis,
    },
};

/// What a conversation begins with may stand in all of them, and then so few do as well as any.
const MESSAGES: &str = "SELECT m.conversation_id, m.id, w.hash AS chain_hash \
     FROM unnest(?) AS w (hash) CROSS JOIN LATERAL (\
     SELECT h.conversation_id, h.id, h.created_at FROM conversation_histories AS h \
     WHERE h.chain_hash = w.hash AND h.created_at >= ? AND h.created_at < ? LIMIT 64) AS m \
     ORDER BY m.created_at DESC, m.id DESC";

/// The same where the rows of a hash lie on several nodes, which Citus cannot ask for each of them.
const MESSAGES_OF_NODES: &str = "SELECT h.conversation_id, h.id, h.chain_hash \
     FROM conversation_histories AS h \
     WHERE h.chain_hash = ANY(?) AND h.created_at >= ? AND h.created_at < ? \
     ORDER BY h.created_at DESC, h.id DESC LIMIT 4096";

/// Of a response whose answer is gone, nothing. Those are looked up first, and alone.
const RESPONSES: &str = "SELECT r.hash, r.conversation_id, r.message_id AS id, h.chain_hash \
     FROM (SELECT hash, conversation_id, message_id, seen_at FROM response_ids \
     WHERE hash = ANY(?) OFFSET 0) AS r JOIN conversation_histories AS h \
     ON h.conversation_id = r.conversation_id AND h.created_at = r.seen_at AND h.id = r.message_id \
     WHERE h.chain_hash IS NOT NULL";

const CONVERSATIONS: &str = "SELECT id, session_id, sends_history, first_day, last_day \
     FROM conversations WHERE id = ANY(?)";

const HEADS: &str = "SELECT m.conversation_id, m.id, m.chain_hash, m.is_open \
     FROM (SELECT id FROM conversations WHERE id = ANY(?)) AS w CROSS JOIN LATERAL (\
     SELECT h.conversation_id, h.id, h.chain_hash, h.outcome <> 'complete' AS is_open \
     FROM conversation_histories AS h \
     WHERE h.conversation_id = w.id AND h.created_at >= ? AND h.created_at < ? \
     AND h.chain_hash IS NOT NULL AND h.choice_index = 0 \
     ORDER BY h.created_at DESC, h.id DESC LIMIT 1) AS m";

/// What tells which question the head is about.
const NEAR: &str = "SELECT m.conversation_id, m.id, m.chain_hash, m.exchange_id, m.parent_id, m.is_answer \
     FROM (SELECT id FROM conversations WHERE id = ANY(?)) AS w CROSS JOIN LATERAL (\
     SELECT h.conversation_id, h.id, h.chain_hash, h.exchange_id, h.parent_id, \
     h.role = 'assistant' AS is_answer FROM conversation_histories AS h \
     WHERE h.conversation_id = w.id AND h.created_at >= ? AND h.created_at < ? \
     AND h.chain_hash IS NOT NULL AND h.choice_index = 0 \
     ORDER BY h.created_at DESC, h.id DESC LIMIT 16) AS m";

/// The key of the hashes, which the first migration made.
pub(super) async fn secret(mut connection: &AsyncPgConnection) -> QueryResult<[u8; 32]> {
    let row: SecretRow = sql_query("SELECT value FROM recording_meta WHERE key = 'secret'")
        .get_result(&mut connection)
        .await?;
    let secret = row.value.try_into();
    secret.map_err(|_| Error::DeserializationError("not 32 bytes".into()))
}

#[derive(QueryableByName)]
struct SecretRow {
    #[diesel(sql_type = Bytea)]
    value: Vec<u8>,
}

/// What is stored of what is wanted, and whether the rows lie on several nodes, which is asked for where
/// it is not known.
pub(super) async fn recall(
    connection: &AsyncPgConnection,
    wanted: &Recall,
    are_spread: Option<bool>,
) -> QueryResult<(Recalled, bool)> {
    let are_spread = match are_spread {
        Some(are_spread) => are_spread,
        None => citus::are_spread(connection).await?,
    };
    let sql = match are_spread {
        true => MESSAGES_OF_NODES,
        false => MESSAGES,
    };
    let since = Day::from_unix_ms(wanted.since);
    let recalled = Recalled {
        heads: heads(connection, &wanted.conversations, since).await?,
        messages: messages(connection, sql, wanted, since).await?,
        responses: responses(connection, &wanted.responses).await?,
    };
    Ok((recalled, are_spread))
}

async fn responses(
    mut connection: &AsyncPgConnection,
    hashes: &[ChainHash],
) -> QueryResult<Vec<KnownResponse>> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<ResponseRow> = Prepared {
        sql: RESPONSES,
        binds: vec![Bind::Hashes(hashes.to_vec())],
    }
    .load(&mut connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Nearly everything that is continued is of today or yesterday, so the other days are only asked
/// for the rest.
async fn messages(
    connection: &AsyncPgConnection,
    sql: &'static str,
    wanted: &Recall,
    since: Day,
) -> QueryResult<Vec<KnownMessage>> {
    let mut missing: HashSet<ChainHash> = wanted.hashes.iter().copied().collect();
    let mut recent: HashSet<ChainHash> = wanted.recent.iter().copied().collect();
    let yesterday = Day::from_unix_ms(now()).previous();
    let lately = since.max(yesterday.min(Day::from_unix_ms(wanted.recent_since)));
    let mut found = Vec::new();
    for (from, to) in [
        (lately.start_ms(), i64::MAX),
        (since.start_ms(), lately.start_ms()),
    ] {
        let asked: Vec<ChainHash> = missing.union(&recent).copied().collect();
        recent.clear();
        if asked.is_empty() || from >= to {
            continue;
        }
        let hashes = Bind::Hashes(asked);
        let rows: Vec<KnownRow> = between(connection, sql, hashes, (from, to)).await?;
        for KnownRow(message) in rows {
            missing.remove(&message.chain_hash);
            found.push(message);
        }
    }
    Ok(found)
}

/// The newest message of each conversation nearly always lies in its last day, so that the others
/// are only asked for the rest.
async fn heads(
    mut connection: &AsyncPgConnection,
    conversations: &[Id],
    since: Day,
) -> QueryResult<Vec<Head>> {
    let mut ids: Vec<Id> = conversations.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<ConversationRow> = Prepared {
        sql: CONVERSATIONS,
        binds: vec![Bind::Ids(ids.into_iter().map(PgId).collect())],
    }
    .load(&mut connection)
    .await?;
    let mut newest: HashMap<Id, HeadRow> = HashMap::new();
    let begins: [fn(&ConversationRow) -> Day; 2] = [|row| row.last_day, |row| row.first_day];
    for begin in begins {
        let open = |row: &&ConversationRow| row.last_day >= since && !newest.contains_key(&row.id);
        let open: Vec<&ConversationRow> = rows.iter().filter(open).collect();
        let first = open.iter().map(|row| begin(row)).min();
        let last = open.iter().map(|row| row.last_day).max();
        let (Some(first), Some(last)) = (first, last) else {
            break;
        };
        let ids = open.iter().map(|row| PgId(row.id)).collect();
        let range = (first.max(since).start_ms(), last.end_ms());
        let found: Vec<HeadRow> = between(connection, HEADS, Bind::Ids(ids), range).await?;
        let found = found
            .into_iter()
            .map(|row| (row.message.conversation_id, row));
        newest.extend(found);
    }
    let is_open = |row: &&ConversationRow| {
        !row.sends_history && newest.get(&row.id).is_some_and(|head| head.is_open)
    };
    let open: Vec<&ConversationRow> = rows.iter().filter(is_open).collect();
    let mut unanswered = unanswered(connection, &open, since).await?;
    let head = |row: ConversationRow| Head {
        conversation_id: row.id,
        session_id: row.session_id,
        sends_history: row.sends_history,
        message: newest.remove(&row.id).map(|head| head.message),
        unanswered: unanswered.remove(&row.id),
    };
    Ok(rows.into_iter().map(head).collect())
}

/// What was asked last in these conversations, whose last answers are not whole.
async fn unanswered(
    connection: &AsyncPgConnection,
    open: &[&ConversationRow],
    since: Day,
) -> QueryResult<HashMap<Id, Unanswered>> {
    let Some(last) = open.iter().map(|row| row.last_day).max() else {
        return Ok(HashMap::new());
    };
    let ids = open.iter().map(|row| PgId(row.id)).collect();
    let range = (since.start_ms(), last.end_ms());
    let rows: Vec<NearRow> = between(connection, NEAR, Bind::Ids(ids), range).await?;
    let mut near: HashMap<Id, Vec<Near>> = HashMap::new();
    for NearRow(row) in rows {
        near.entry(row.message.conversation_id)
            .or_default()
            .push(row);
    }
    let unanswered = near.into_iter().filter_map(|(id, mut rows)| {
        rows.sort_by_key(|row| Reverse(row.message.id));
        Some((id, Unanswered::among(&rows)?))
    });
    Ok(unanswered.collect())
}

/// What stands there of what is wanted between two times.
async fn between<T: QueryableByName<Pg> + Send + 'static>(
    mut connection: &AsyncPgConnection,
    sql: &'static str,
    wanted: Bind,
    (from, to): (UnixMillis, UnixMillis),
) -> QueryResult<Vec<T>> {
    Prepared {
        sql,
        binds: vec![wanted, Bind::Time(time(from)), Bind::Time(time(to))],
    }
    .load(&mut connection)
    .await
}

struct ConversationRow {
    id: Id,
    session_id: String,
    sends_history: bool,
    first_day: Day,
    last_day: Day,
}

impl QueryableByName<Pg> for ConversationRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let PgId(id) = NamedRow::get::<Uuid, _>(row, "id")?;
        Ok(Self {
            id,
            session_id: NamedRow::get::<Text, _>(row, "session_id")?,
            sends_history: NamedRow::get::<Bool, _>(row, "sends_history")?,
            first_day: day_of(NamedRow::get::<Date, PgDate>(row, "first_day")?),
            last_day: day_of(NamedRow::get::<Date, PgDate>(row, "last_day")?),
        })
    }
}

struct KnownRow(KnownMessage);

impl QueryableByName<Pg> for KnownRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let PgId(conversation_id) = NamedRow::get::<Uuid, _>(row, "conversation_id")?;
        let PgId(id) = NamedRow::get::<Uuid, _>(row, "id")?;
        let hash = NamedRow::get::<Bytea, Vec<u8>>(row, "chain_hash")?;
        Ok(Self(KnownMessage {
            conversation_id,
            id,
            chain_hash: hash.try_into().map_err(|_| "not 16 bytes")?,
        }))
    }
}

struct HeadRow {
    message: KnownMessage,
    is_open: bool,
}

impl QueryableByName<Pg> for HeadRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let KnownRow(message) = KnownRow::build(row)?;
        Ok(Self {
            message,
            is_open: NamedRow::get::<Bool, _>(row, "is_open")?,
        })
    }
}

struct NearRow(Near);

impl QueryableByName<Pg> for NearRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let KnownRow(message) = KnownRow::build(row)?;
        let PgId(exchange_id) = NamedRow::get::<Uuid, _>(row, "exchange_id")?;
        let parent: Option<PgId> = NamedRow::get::<Nullable<Uuid>, _>(row, "parent_id")?;
        Ok(Self(Near {
            message,
            exchange_id,
            parent_id: parent.map(|PgId(id)| id),
            is_answer: NamedRow::get::<Bool, _>(row, "is_answer")?,
        }))
    }
}

struct ResponseRow(KnownResponse);

impl QueryableByName<Pg> for ResponseRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let hash = NamedRow::get::<Bytea, Vec<u8>>(row, "hash")?;
        let KnownRow(message) = KnownRow::build(row)?;
        Ok(Self(KnownResponse {
            hash: hash.try_into().map_err(|_| "not 16 bytes")?,
            message,
        }))
    }
}
