//! Deletions, and what they keep out of the database: exchanges that were on their way, and the
//! history that a client sends along later.
//!
//! A deletion leaves marks behind, hashes with the time of the deletion. Whoever writes looks for
//! those of his batch in his own transaction, and beside a deletion nobody writes.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Map, Value};

use super::{ExchangeRows, Recorded, StoreError, UnixMillis, Whose, pack::Batch};
use crate::{conversation::Role, id::Id};

/// What a deletion is found by: the conversation's id, a hash of the user, or a hash of messages.
pub(super) type Mark = [u8; 16];

/// Marks that a store remembers having found.
const KNOWN_MARKS: usize = 65_536;

/// Where a conversation has no name, its messages tell what a client's history belongs to.
pub(super) const UNNAMED: &str = "session_source IN ('inferred', 'generated')";

impl Whose {
    /// Whether this conversation, which bears the user's name, is meant.
    pub(super) fn has(self, tenant: &str, user: &str, session_id: &str, id: Id) -> bool {
        match self {
            Self::Bearing => true,
            Self::Named => Id::conversation(tenant, Some(user), session_id) == id,
        }
    }

    /// The mark that the user's deletion leaves.
    pub(super) fn mark(self, tenant: &str, user: &str) -> Mark {
        let mut hasher = blake3::Hasher::new_derive_key(match self {
            Self::Bearing => "tower-recording: whoever bears a name",
            Self::Named => "tower-recording: a named user",
        });
        for part in [tenant, user] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut mark = Mark::default();
        hasher.finalize_xof().fill(&mut mark);
        mark
    }
}

/// A user who is deleted.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) tenant: String,
    pub(super) name: String,
    pub(super) whose: Whose,
}

impl User {
    pub(super) fn new(tenant: &str, name: &str, whose: Whose) -> Self {
        Self {
            tenant: tenant.to_owned(),
            name: name.to_owned(),
            whose,
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.whose.mark(&self.tenant, &self.name)
    }

    /// Whether this conversation, which bears the name, is meant.
    pub(super) fn has(&self, session_id: &str, id: Id) -> bool {
        self.whose.has(&self.tenant, &self.name, session_id, id)
    }

    /// What tells the user's rejected exchanges in their JSON, where no text has quotes of its own.
    pub(super) fn in_json(&self) -> [String; 2] {
        let text = |text: &str| Value::from(text).to_string();
        [
            format!("\"user_id\":{}", text(&self.name)),
            format!("\"tenant\":{}", text(&self.tenant)),
        ]
    }
}

/// An exchange among those that the database refused.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) exchange: Id,
    pub(super) conversation: Id,
    pub(super) payload: String,
}

impl Rejected {
    /// Whether it is the user's, whose name it bears.
    pub(super) fn is_of(&self, user: &User) -> bool {
        user.whose == Whose::Bearing
            || serde_json::from_str::<Value>(&self.payload).is_ok_and(|payload| {
                let session_id = payload["conversation"]["session_id"].as_str();
                session_id.is_some_and(|session_id| user.has(session_id, self.conversation))
            })
    }
}

/// The marks of deletions with the times of these.
pub(super) type Found = Vec<(Mark, UnixMillis)>;

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Fate {
    Written,
    /// Taken back: something of it was deleted that the batch did not know of.
    Deleted(Found),
}

/// The deletions that a batch knows of, by their marks.
#[derive(Clone, Debug, Default)]
pub(super) struct Deletions(HashMap<Mark, UnixMillis>);

impl Deletions {
    /// What of these is new.
    pub(super) fn unknown(&self, found: Found) -> Found {
        let is_new =
            |(mark, at): &(Mark, UnixMillis)| self.0.get(mark).is_none_or(|known| known < at);
        found.into_iter().filter(is_new).collect()
    }

    fn add(&mut self, found: &Found) {
        for (mark, at) in found {
            let known = self.0.entry(*mark).or_insert(*at);
            *known = (*at).max(*known);
        }
    }

    /// When the conversation or the user of this exchange was last deleted.
    fn of(&self, rows: &ExchangeRows) -> Option<UnixMillis> {
        let [conversation, bearing, named] = owners(rows);
        let (tenant, user) = (&rows.exchange.tenant, &rows.exchange.user_id);
        let (session_id, id) = (&rows.conversation.session_id, rows.conversation.id);
        let named = self.0.get(&named);
        let named = named.filter(|_| Whose::Named.has(tenant, user, session_id, id));
        let marks = [self.0.get(&conversation), self.0.get(&bearing), named];
        marks.into_iter().flatten().max().copied()
    }

    /// What is left of these exchanges, and which of them are left out.
    fn apply<'a>(&self, exchanges: &'a [ExchangeRows]) -> (Cow<'a, [ExchangeRows]>, Vec<Id>) {
        if self.0.is_empty() {
            return (Cow::Borrowed(exchanges), Vec::new());
        }
        let mut kept = Vec::with_capacity(exchanges.len());
        let mut erased = Vec::new();
        for rows in exchanges {
            let told = rows.retold.last.and_then(|hash| self.0.get(&hash));
            match self.of(rows) {
                // A message that is added by hand belongs to the conversation that was there.
                Some(at)
                    if rows.exchange.created_at <= at || rows.conversation.created_at <= at =>
                {
                    erased.push(rows.exchange.exchange_id);
                }
                None if told.is_none() => kept.push(rows.clone()),
                _ => kept.push(without_history(rows.clone())),
            }
        }
        (Cow::Owned(kept), erased)
    }
}

fn owners(rows: &ExchangeRows) -> [Mark; 3] {
    let (tenant, user) = (&rows.exchange.tenant, &rows.exchange.user_id);
    [
        *rows.conversation.id.as_bytes(),
        Whose::Bearing.mark(tenant, user),
        Whose::Named.mark(tenant, user),
    ]
}

/// The marks by which deletions of these exchanges are found, each once.
pub(super) fn marks(exchanges: &[ExchangeRows]) -> Vec<Mark> {
    let mut marks = HashSet::new();
    let mut users = HashSet::new();
    for rows in exchanges {
        marks.insert(*rows.conversation.id.as_bytes());
        marks.extend(rows.retold.last);
        if users.insert((&rows.exchange.tenant, &rows.exchange.user_id)) {
            marks.extend(owners(rows));
        }
    }
    let mut marks: Vec<Mark> = marks.into_iter().collect();
    marks.sort_unstable();
    marks
}

/// What follows the last answer of the model in what the client sent, and the answer to that.
fn without_history(mut rows: ExchangeRows) -> ExchangeRows {
    let retold = std::mem::take(&mut rows.retold);
    rows.conversation.title = retold.title;
    if let Some(error) = &mut rows.error {
        error.other = error.other.take().map(|other| cut(other, retold.messages));
        if retold.is_all {
            error.role = Role::default();
            error.content.clear();
        }
        return rows;
    }
    let told = rows.messages.len().min(retold.messages);
    let gone: HashSet<Id> = rows.messages.drain(..told).map(|row| row.id).collect();
    for row in &mut rows.messages {
        row.parent_id = row.parent_id.filter(|parent| !gone.contains(parent));
    }
    rows
}

/// The details of a failure without so many of its messages.
fn cut(other: String, messages: usize) -> String {
    let Ok(mut details) = serde_json::from_str::<Map<String, Value>>(&other) else {
        return "{}".to_owned();
    };
    if let Some(Value::Array(new)) = details.get_mut("messages") {
        new.drain(..new.len().min(messages));
    }
    Value::Object(details).to_string()
}

/// The deletions that a store has met, so that who goes on after one is not sent twice.
#[derive(Debug, Default)]
pub(super) struct Met(Mutex<Deletions>);

impl Met {
    fn lock(&self) -> MutexGuard<'_, Deletions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, marks: &[Mark]) -> Deletions {
        let met = self.lock();
        if met.0.is_empty() {
            return Deletions::default();
        }
        let known = |mark: &Mark| met.0.get(mark).map(|at| (*mark, *at));
        Deletions(marks.iter().filter_map(known).collect())
    }

    fn learn(&self, found: &Found) {
        let mut met = self.lock();
        if met.0.len() > KNOWN_MARKS {
            met.0.clear();
        }
        met.add(found);
    }
}

/// Sends a batch as often as something of it turns out to have been deleted.
pub(super) async fn record<F>(
    met: &Met,
    exchanges: &[ExchangeRows],
    mut send: impl FnMut(Batch) -> F,
) -> Result<Recorded, StoreError>
where
    F: Future<Output = Result<Fate, StoreError>>,
{
    let marks = marks(exchanges);
    let mut deletions = met.of(&marks);
    let mut deleted = HashSet::new();
    loop {
        let (kept, erased) = deletions.apply(exchanges);
        let batch = Batch::new(&kept, marks.clone(), deletions.clone());
        match send(batch).await? {
            Fate::Written => return Ok(Recorded { erased, deleted }),
            Fate::Deleted(found) => {
                met.learn(&found);
                deletions.add(&found);
                let new = Deletions(found.into_iter().collect());
                let concerned = exchanges.iter().filter(|rows| new.of(rows).is_some());
                deleted.extend(concerned.map(|rows| rows.conversation.id));
            }
        }
    }
}

/// What is left of an exchange that cannot be written; `None` where it is left out.
pub(super) fn rest(exchange: &ExchangeRows, found: Found) -> Option<ExchangeRows> {
    let deletions = Deletions(found.into_iter().collect());
    let (kept, _) = deletions.apply(std::slice::from_ref(exchange));
    kept.into_owned().pop()
}
