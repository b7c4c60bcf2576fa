//! What is stored already of what a batch continues: newest day first, and no more days than needed.

use std::collections::{HashMap, HashSet};

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Binary, Date, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days,
    error::Answer,
    layout::Mode,
    read::unless_dropped,
    responses::responses,
    session::Session,
    statement::{LONGEST_LIST, Statement, Value, filled, marks},
    unanswered::unanswered,
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{ChainHash, Head, KnownMessage, KnownResponse, Recall, Recalled},
};

/// Days whose statements stay prepared on a connection, at least one and at most 15 each.
const PREPARED_DAYS: usize = 100;
/// Messages that one statement answers with: what everybody begins with may stand there often.
const MOST_MESSAGES: usize = 1_000;

/// Looks up what is wanted.
pub(super) async fn recall(session: &mut Session, mode: Mode, wanted: &Recall) -> Answer<Recalled> {
    let since = Day::from_unix_ms(wanted.since);
    let mut search = Search {
        since,
        heads: heads(&mut session.connection, &wanted.conversations).await?,
        hashes: wanted.hashes.clone(),
        recent: wanted.recent.clone(),
        lately: Day::from_unix_ms(wanted.recent_since),
        messages: Vec::new(),
        responses: responses(&mut session.connection, mode, &wanted.responses).await?,
    };
    search.hashes.sort_unstable();
    search.hashes.dedup();
    search.recent.sort_unstable();
    search.recent.dedup();
    let hashes = &search.hashes;
    search
        .recent
        .retain(|hash| hashes.binary_search(hash).is_err());
    if mode == Mode::Single {
        search
            .look_in(&mut session.connection, MESSAGES, None)
            .await?;
        return search.end(&mut session.connection, mode).await;
    }
    if search.wants_nothing_before(Day::MAX) {
        return search.end(&mut session.connection, mode).await;
    }
    let days = days::between(&mut session.connection, since, Day::MAX).await?;
    for day in days.into_iter().rev() {
        if search.wants_nothing_before(day) {
            break;
        }
        session.recalled.insert(day);
        let table = day.table_name(MESSAGES);
        search
            .look_in(&mut session.connection, &table, Some(day))
            .await?;
    }
    session.worn |= session.recalled.len() > PREPARED_DAYS;
    search.end(&mut session.connection, mode).await
}

/// A conversation whose head is looked for.
struct Sought {
    head: Head,
    /// Its answer is not whole.
    is_open: bool,
    first_day: Day,
    last_day: Day,
}

#[derive(QueryableByName)]
struct SoughtRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = Text)]
    session_id: String,
    #[diesel(sql_type = BigInt)]
    sends_history: i64,
    #[diesel(sql_type = Date)]
    first_day: Day,
    #[diesel(sql_type = Date)]
    last_day: Day,
}

/// The conversations of these that exist, without their messages.
async fn heads(
    connection: &mut AsyncMysqlConnection,
    conversations: &[Id],
) -> Answer<HashMap<Id, Sought>> {
    let mut heads = HashMap::new();
    for ids in conversations.chunks(LONGEST_LIST) {
        let values = filled(ids.iter().map(|id| Value::Bytes(*id.as_bytes())).collect());
        let statement = Statement {
            sql: &format!(
                "SELECT id, session_id, CAST(sends_history AS SIGNED) AS sends_history, first_day, \
                 last_day FROM conversations WHERE id IN ({})",
                marks(values.len())
            ),
            values: &values,
        };
        for row in statement.load::<SoughtRow>(connection).await? {
            let id = id(&row.id);
            let head = Head {
                conversation_id: id,
                session_id: row.session_id,
                sends_history: row.sends_history != 0,
                ..Head::default()
            };
            heads.insert(
                id,
                Sought {
                    head,
                    is_open: false,
                    first_day: row.first_day,
                    last_day: row.last_day,
                },
            );
        }
    }
    Ok(heads)
}

/// What was found, and what is still looked for.
struct Search {
    since: Day,
    heads: HashMap<Id, Sought>,
    hashes: Vec<ChainHash>,
    /// Looked for on this day and later.
    recent: Vec<ChainHash>,
    lately: Day,
    messages: Vec<KnownMessage>,
    responses: Vec<KnownResponse>,
}

/// A head's message, or a message with one of the hashes.
#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = BigInt)]
    is_head: i64,
    #[diesel(sql_type = Binary)]
    conversation_id: Vec<u8>,
    /// Its id and its hash, and a byte more where it is a head whose answer is not whole.
    #[diesel(sql_type = Nullable<Binary>)]
    message: Option<Vec<u8>>,
}

impl Search {
    fn wants_nothing_before(&self, day: Day) -> bool {
        let mut heads = self.heads.values();
        self.hashes.is_empty()
            && (self.recent.is_empty() || day < self.lately)
            && heads.all(|sought| sought.head.message.is_some() || sought.first_day > day)
    }

    /// Looks in one table; on its day, where it is a day's.
    async fn look_in(
        &mut self,
        connection: &mut AsyncMysqlConnection,
        table: &str,
        day: Option<Day>,
    ) -> Answer<()> {
        let is_of_day = |sought: &&Sought| {
            day.is_none_or(|day| sought.first_day <= day && day <= sought.last_day)
        };
        let mut heads: Vec<[u8; 16]> = self
            .heads
            .values()
            .filter(|sought| sought.head.message.is_none())
            .filter(is_of_day)
            .map(|sought| *sought.head.conversation_id.as_bytes())
            .collect();
        let mut hashes = self.hashes.clone();
        if day.is_none_or(|day| day >= self.lately) {
            hashes.extend(&self.recent);
        }
        let mut found: HashSet<ChainHash> = HashSet::new();
        let first = self.messages.len();
        while !heads.is_empty() || !hashes.is_empty() {
            let some_heads = heads.split_off(heads.len().saturating_sub(LONGEST_LIST));
            let mut some_hashes = hashes.split_off(hashes.len().saturating_sub(LONGEST_LIST));
            let rows = self.ask(connection, table, &some_heads, &some_hashes).await;
            let Some(rows) = unless_dropped(connection, rows).await? else {
                return Ok(());
            };
            let before = self.messages.len();
            for row in rows {
                self.take(&row, &mut found);
            }
            if self.messages.len() - before == MOST_MESSAGES {
                // The others had no place in the answer.
                some_hashes.retain(|hash| !found.contains(hash));
                hashes.extend(some_hashes);
            }
        }
        self.hashes.retain(|hash| !found.contains(hash));
        self.recent.retain(|hash| !found.contains(hash));
        self.messages[first..].sort_unstable_by_key(|message| std::cmp::Reverse(message.id));
        Ok(())
    }

    fn take(&mut self, row: &FoundRow, found: &mut HashSet<ChainHash>) {
        let Some((message, hash)) = row
            .message
            .as_ref()
            .and_then(|both| both.split_at_checked(16))
        else {
            return;
        };
        let (hash, is_open) = match hash.split_at_checked(16) {
            Some((hash, rest)) => (hash, !rest.is_empty()),
            None => return,
        };
        let message = KnownMessage {
            conversation_id: id(&row.conversation_id),
            id: id(message),
            chain_hash: *id(hash).as_bytes(),
        };
        if row.is_head == 0 {
            found.insert(message.chain_hash);
            self.messages.push(message);
        } else if let Some(sought) = self.heads.get_mut(&message.conversation_id) {
            sought.head.message = Some(message);
            sought.is_open = is_open;
        }
    }

    async fn ask(
        &self,
        connection: &mut AsyncMysqlConnection,
        table: &str,
        heads: &[[u8; 16]],
        hashes: &[ChainHash],
    ) -> Answer<Vec<FoundRow>> {
        let since = Value::Time(Millis(self.since.start_ms()));
        let mut values = Vec::new();
        let mut selects = Vec::new();
        if !heads.is_empty() {
            let heads = filled(heads.iter().copied().map(Value::Bytes).collect());
            selects.push(format!(
                "(SELECT CAST(1 AS SIGNED) AS is_head, c.id AS conversation_id, \
                 (SELECT CONCAT(h.id, h.chain_hash, IF(h.outcome = 'complete', '', '+')) FROM {table} AS h FORCE INDEX (PRIMARY) \
                 WHERE h.conversation_id = c.id AND h.created_at >= ? \
                 AND h.chain_hash IS NOT NULL AND h.choice_index = 0 \
                 ORDER BY h.created_at DESC, h.id DESC LIMIT 1) AS message \
                 FROM conversations AS c WHERE c.id IN ({}))",
                marks(heads.len())
            ));
            values.push(since);
            values.extend(heads);
        }
        if !hashes.is_empty() {
            let hashes = filled(hashes.iter().copied().map(Value::Bytes).collect());
            selects.push(format!(
                "(SELECT CAST(0 AS SIGNED) AS is_head, conversation_id, \
                 CONCAT(id, chain_hash) AS message FROM {table} FORCE INDEX (chain) \
                 WHERE created_at >= ? AND chain_hash IN ({}) LIMIT {MOST_MESSAGES})",
                marks(hashes.len())
            ));
            values.push(since);
            values.extend(hashes);
        }
        let statement = Statement {
            sql: &selects.join(" UNION ALL "),
            values: &values,
        };
        Ok(statement.load(connection).await?)
    }

    /// Of the messages with the same hash, those of its newest day.
    async fn end(mut self, connection: &mut AsyncMysqlConnection, mode: Mode) -> Answer<Recalled> {
        let is_open = |sought: &&mut Sought| sought.is_open && !sought.head.sends_history;
        for sought in self.heads.values_mut().filter(is_open) {
            let (first, last) = (sought.first_day.max(self.since), sought.last_day);
            let id = sought.head.conversation_id;
            sought.head.unanswered = unanswered(connection, mode, id, first, last).await?;
        }
        let mut days: HashMap<ChainHash, Day> = HashMap::new();
        let mut messages = self.messages;
        messages.retain(|message| {
            let day = Day::from_unix_ms(message.id.unix_ms());
            *days.entry(message.chain_hash).or_insert(day) == day
        });
        Ok(Recalled {
            heads: self.heads.into_values().map(|sought| sought.head).collect(),
            messages,
            responses: self.responses,
        })
    }
}

pub(super) fn id(bytes: &[u8]) -> Id {
    Id::from_bytes(bytes.try_into().unwrap_or_default())
}
