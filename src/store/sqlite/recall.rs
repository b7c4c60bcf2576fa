//! What is stored already of what a batch continues.

use std::collections::{HashMap, HashSet};

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Binary, Bool, Text},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    days::{self, Mode},
    read::unless_dropped,
    responses::responses,
    unanswered::unanswered,
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{ChainHash, Head, KnownMessage, Recall, Recalled},
};

/// Values of one `IN`: more make a statement longer to prepare than to run.
pub(super) const ASKED_AT_ONCE: usize = 200;

/// Looks the hashes and the heads up, newest day first.
pub(super) fn recall(
    connection: &mut SqliteConnection,
    mode: Mode,
    wanted: &Recall,
) -> QueryResult<Recalled> {
    let since = Day::from_unix_ms(wanted.since);
    let days = match mode {
        Mode::Daily => days::between(connection, since, Day::MAX)?,
        Mode::Single => vec![since],
    };
    Ok(Recalled {
        heads: heads(connection, mode, &wanted.conversations, since, &days)?,
        messages: messages(connection, mode, wanted, since, &days)?,
        responses: responses(connection, mode, &wanted.responses)?,
    })
}

/// A message that is stored.
pub(super) struct KnownRow(pub(super) KnownMessage);

impl QueryableByName<Sqlite> for KnownRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self(KnownMessage {
            conversation_id: id(row, "conversation_id")?,
            id: id(row, "id")?,
            chain_hash: bytes(row, "chain_hash")?,
        }))
    }
}

pub(super) fn id<'a>(row: &impl NamedRow<'a, Sqlite>, column: &str) -> deserialize::Result<Id> {
    bytes(row, column).map(Id::from_bytes)
}

pub(super) fn bytes<'a>(
    row: &impl NamedRow<'a, Sqlite>,
    column: &str,
) -> deserialize::Result<[u8; 16]> {
    let bytes: Vec<u8> = NamedRow::get::<Binary, _>(row, column)?;
    bytes.try_into().map_err(|_| "not 16 bytes".into())
}

/// The messages with these hashes. One that a day has is not looked for in those before.
fn messages(
    connection: &mut SqliteConnection,
    mode: Mode,
    wanted: &Recall,
    since: Day,
    days: &[Day],
) -> QueryResult<Vec<KnownMessage>> {
    let mut missing: HashSet<ChainHash> = wanted.hashes.iter().copied().collect();
    let mut recent: HashSet<ChainHash> = wanted.recent.iter().copied().collect();
    let lately = Day::from_unix_ms(wanted.recent_since);
    let mut found: Vec<KnownMessage> = Vec::new();
    for day in days.iter().rev() {
        if mode == Mode::Daily && *day < lately {
            recent.clear();
        }
        let asked: Vec<ChainHash> = missing.union(&recent).copied().collect();
        if asked.is_empty() {
            break;
        }
        let begun = found.len();
        let table = mode.table(MESSAGES, *day);
        for hashes in asked.chunks(ASKED_AT_ONCE) {
            let marks = marks(hashes.len());
            let mut query = sql_query(format!(
                "SELECT conversation_id, id, chain_hash FROM {table} \
                 WHERE chain_hash IN ({marks}) AND created_at >= ?"
            ))
            .into_boxed();
            for hash in hashes {
                query = query.bind::<Binary, _>(hash.as_slice());
            }
            let rows = query.bind::<BigInt, _>(since.start_ms()).load(connection);
            let rows: Vec<KnownRow> = unless_dropped(connection, &table, rows)?.unwrap_or_default();
            found.extend(rows.into_iter().map(|row| row.0));
        }
        found[begun..].sort_by_key(|message| std::cmp::Reverse(message.id.unix_ms()));
        for message in &found[begun..] {
            missing.remove(&message.chain_hash);
            recent.remove(&message.chain_hash);
        }
    }
    Ok(found)
}

/// A conversation whose newest message with a hash is not found yet.
struct ConversationRow {
    id: Id,
    session_id: String,
    sends_history: bool,
    first_day: Day,
    last_day: Day,
}

impl QueryableByName<Sqlite> for ConversationRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let day = |column: &str| {
            let text: String = NamedRow::get::<Text, _>(row, column)?;
            Day::parse(&text).ok_or_else(|| "not a day".into())
        };
        let day = |column| -> deserialize::Result<Day> { day(column) };
        Ok(Self {
            id: id(row, "id")?,
            session_id: NamedRow::get::<Text, _>(row, "session_id")?,
            sends_history: NamedRow::get::<Bool, _>(row, "sends_history")?,
            first_day: day("first_day")?,
            last_day: day("last_day")?,
        })
    }
}

/// Where these conversations stand.
fn heads(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversations: &[Id],
    since: Day,
    days: &[Day],
) -> QueryResult<Vec<Head>> {
    let mut heads = Vec::new();
    for ids in conversations.chunks(ASKED_AT_ONCE) {
        let marks = marks(ids.len());
        let mut query = sql_query(format!(
            "SELECT id, session_id, sends_history, first_day, last_day FROM conversations \
             WHERE id IN ({marks})"
        ))
        .into_boxed();
        for id in ids {
            query = query.bind::<Binary, _>(id.as_bytes().as_slice());
        }
        let rows: Vec<ConversationRow> = query.load(connection)?;
        let newest = newest(connection, mode, &rows, since, days)?;
        let begun = heads.len();
        heads.extend(rows.into_iter().map(|row| Head {
            conversation_id: row.id,
            session_id: row.session_id,
            sends_history: row.sends_history,
            message: newest.get(&row.id).map(|head| head.message),
            unanswered: None,
        }));
        let is_open = |head: &&mut Head| {
            !head.sends_history
                && newest
                    .get(&head.conversation_id)
                    .is_some_and(|head| head.is_open)
        };
        for head in heads[begun..].iter_mut().filter(is_open) {
            let id = head.conversation_id;
            head.unanswered = unanswered(connection, mode, id, since, days)?;
        }
    }
    Ok(heads)
}

/// A conversation's head, and whether its answer is not whole.
struct HeadRow {
    message: KnownMessage,
    is_open: bool,
}

impl QueryableByName<Sqlite> for HeadRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let KnownRow(message) = KnownRow::build(row)?;
        Ok(Self {
            message,
            is_open: NamedRow::get::<Bool, _>(row, "is_open")?,
        })
    }
}

/// The newest message with a hash of each.
fn newest(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversations: &[ConversationRow],
    since: Day,
    days: &[Day],
) -> QueryResult<HashMap<Id, HeadRow>> {
    let mut found = HashMap::new();
    for day in days.iter().rev() {
        let table = mode.table(MESSAGES, *day);
        let asked: Vec<Id> = conversations
            .iter()
            .filter(|row| !found.contains_key(&row.id))
            .filter(|row| match mode {
                Mode::Daily => row.first_day <= *day && *day <= row.last_day,
                Mode::Single => since <= row.last_day,
            })
            .map(|row| row.id)
            .collect();
        if asked.is_empty() {
            continue;
        }
        let marks = marks(asked.len());
        let mut query = sql_query(format!(
            "SELECT h.conversation_id, h.id, h.chain_hash, h.outcome <> 'complete' AS is_open \
             FROM conversations AS c \
             JOIN {table} AS h ON h.rowid = (SELECT n.rowid FROM {table} AS n \
             WHERE n.conversation_id = c.id AND n.created_at >= ? AND n.choice_index = 0 \
             AND n.chain_hash IS NOT NULL ORDER BY n.created_at DESC, n.id DESC LIMIT 1) \
             WHERE c.id IN ({marks})"
        ))
        .into_boxed()
        .bind::<BigInt, _>(since.start_ms());
        for id in &asked {
            query = query.bind::<Binary, _>(id.as_bytes().as_slice());
        }
        let rows = query.load(connection);
        let rows: Vec<HeadRow> = unless_dropped(connection, &table, rows)?.unwrap_or_default();
        for head in rows {
            found.insert(head.message.conversation_id, head);
        }
    }
    Ok(found)
}

/// So many places for values.
pub(super) fn marks(count: usize) -> String {
    vec!["?"; count].join(",")
}
