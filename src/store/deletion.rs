//! Deletions, and what they keep out of the database: exchanges that were on their way, and the
//! history that a client sends along later.
//!
//! A deletion leaves marks behind, hashes with the time of the deletion. Whoever writes looks for
//! those of his batch in his own transaction, and beside a deletion nobody writes.

mod met;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use serde_json::{Map, Value};

pub(super) use self::met::{Met, record};
use super::{ExchangeRows, UnixMillis, Whose};
use crate::{conversation::Role, id::Id};

/// What a deletion is found by: the conversation's id, a hash of the user, or a hash of messages.
pub(super) type Mark = [u8; 16];

/// Where a conversation has no name, its messages tell what a client's history belongs to.
pub(super) const UNNAMED: &str = "session_source IN ('inferred', 'generated')";

fn is_unnamed(rows: &ExchangeRows) -> bool {
    matches!(&*rows.conversation.session_source, "inferred" | "generated")
}

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

/// The marks that a batch leaves, by the times of the deletions.
pub(super) type Leaving = BTreeMap<UnixMillis, BTreeSet<Mark>>;

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

    /// When what this exchange tells again was last deleted.
    fn told(&self, rows: &ExchangeRows) -> Option<UnixMillis> {
        let answers = rows.retold.answers.iter();
        answers.filter_map(|hash| self.0.get(hash)).max().copied()
    }

    /// What is left of these exchanges.
    fn apply<'a>(&self, exchanges: &'a [ExchangeRows]) -> Rest<'a> {
        let mut rest = Rest::default();
        if self.0.is_empty() {
            rest.kept = Cow::Borrowed(exchanges);
            return rest;
        }
        for rows in exchanges {
            let (own, told) = (self.of(rows), self.told(rows));
            let began = rows.exchange.created_at;
            match (own, told) {
                // A message that is added by hand belongs to the conversation that was there.
                (Some(at), _) if began <= at || rows.conversation.created_at <= at => {
                    rest.erase(rows, at);
                }
                // It went on in a conversation that was not found any more.
                (_, Some(at)) if began <= at && is_unnamed(rows) => rest.erase(rows, at),
                (None, None) => rest.kept.to_mut().push(rows.clone()),
                _ => rest.strip(rows, own),
            }
        }
        rest
    }
}

/// What deletions leave of a batch.
#[derive(Default)]
struct Rest<'a> {
    kept: Cow<'a, [ExchangeRows]>,
    /// Exchanges that are left out.
    erased: Vec<Id>,
    /// Conversations in which an exchange was put with, or after, what is not there.
    deleted: HashSet<Id>,
    leaving: Leaving,
}

impl Rest<'_> {
    fn erase(&mut self, rows: &ExchangeRows, at: UnixMillis) {
        self.erased.push(rows.exchange.exchange_id);
        if is_unnamed(rows) {
            // No deletion finds these answers, and histories will tell them.
            let new = rows.messages.iter().skip(rows.retold.messages);
            let answers = new.filter(|row| row.role == Role::Assistant);
            let marks = answers.filter_map(|row| row.chain_hash);
            self.leaving.entry(at).or_default().extend(marks);
        }
    }

    fn strip(&mut self, rows: &ExchangeRows, deleted_at: Option<UnixMillis>) {
        let parents = rows.messages.iter().filter_map(|row| row.parent_id);
        let parents = parents.chain(rows.error.as_ref().and_then(|error| error.parent_id));
        let mut parents = parents.map(|parent| parent.unix_ms());
        if rows.retold.messages > 0 || parents.any(|at| deleted_at.is_some_and(|gone| at <= gone)) {
            self.deleted.insert(rows.conversation.id);
        }
        self.kept
            .to_mut()
            .push(without_history(rows.clone(), deleted_at));
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
        marks.extend(&rows.retold.answers);
        if users.insert((&rows.exchange.tenant, &rows.exchange.user_id)) {
            marks.extend(owners(rows));
        }
    }
    let mut marks: Vec<Mark> = marks.into_iter().collect();
    marks.sort_unstable();
    marks
}

/// What follows the last answer of the model in what the client sent, and the answer to that: under what
/// stands there since the deletion, if the history follows it.
fn without_history(mut rows: ExchangeRows, deleted_at: Option<UnixMillis>) -> ExchangeRows {
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
    let history: Vec<_> = rows.messages.drain(..told).collect();
    let gone: HashSet<Id> = history.iter().map(|row| row.id).collect();
    let is_there = |parent: &Id| {
        !gone.contains(parent) && deleted_at.is_some_and(|deleted| parent.unix_ms() > deleted)
    };
    let before = history.iter().find_map(|row| row.parent_id);
    let before = before.filter(is_there);
    for row in &mut rows.messages {
        if row.parent_id.is_some_and(|parent| gone.contains(&parent)) {
            row.parent_id = before;
        }
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

/// What is left of an exchange that cannot be written; `None` where it is left out.
pub(super) fn rest(exchange: &ExchangeRows, found: Found) -> Option<ExchangeRows> {
    let deletions = Deletions(found.into_iter().collect());
    let rest = deletions.apply(std::slice::from_ref(exchange));
    rest.kept.into_owned().pop()
}
