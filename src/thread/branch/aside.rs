//! Requests about a conversation that are none of its turns: agents ask for titles, topics and the
//! like under its name.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, de::IgnoredAny};

use super::{
    CHUNK,
    row::{is_added, is_first, is_prompt, is_said},
};
use crate::{
    conversation::Role,
    id::Id,
    store::{ChainHash, Store, StoreError, StoredMessage},
};

/// The rows of a root's exchange that are read with it, at most: its prompt stands before it.
const BEFORE_ROOT: usize = 8;

/// Of the newest rows, oldest first: the exchanges that are newer than the current branch. Judged by
/// the same number of rows whatever the size of the page that is read.
///
/// Such an exchange begins with what was asked in it, without a history, was told something else
/// before than any other has been, has no tools, and nothing goes on from it. A history that was
/// compacted, a new talk and an edited beginning are told what they always were, or have tools;
/// where the turns themselves are told something else each time, none is told from them.
pub(super) async fn asides(
    store: &dyn Store,
    conversation: Id,
    rows: &[StoredMessage],
) -> Result<HashSet<Id>, StoreError> {
    let rows = &rows[rows.len().saturating_sub(CHUNK)..];
    let mut exchanges = Exchange::all_of(rows);
    let (Some(newest), Some(oldest)) = (exchanges.first(), rows.first()) else {
        return Ok(HashSet::new());
    };
    let mut roots: HashSet<Id> = rows.iter().filter(|row| is_root(row)).map(id).collect();
    // What was asked there before may stand far behind.
    let again = exchanges.iter().filter(|exchange| exchange.is_whole());
    let asked: BTreeSet<Id> = again
        .filter_map(Exchange::asks_again)
        .filter(|asked| *asked < id(oldest))
        .collect();
    if !newest.is_alone(&roots.iter().chain(&asked).copied().collect()) {
        return Ok(HashSet::new());
    }
    let mut behind = Vec::new();
    for asked in asked {
        let before = Some(asked.next());
        let mut found = store
            .messages(conversation, before, BEFORE_ROOT)
            .await?
            .data;
        let root = found.last().filter(|row| id(row) == asked && is_root(row));
        if let Some(exchange) = root.map(|root| root.exchange.exchange_id) {
            roots.insert(asked);
            found.retain(|row| row.exchange.exchange_id == exchange);
            behind.append(&mut found);
        }
    }
    exchanges.extend(Exchange::all_of(&behind));
    Ok(newer_than_turns(&exchanges, &roots))
}

/// Of these exchanges, newest first, those that are newer than the newest turn and none themselves.
fn newer_than_turns(exchanges: &[Exchange<'_>], roots: &HashSet<Id>) -> HashSet<Id> {
    let (alone, mut turns): (Vec<_>, Vec<_>) =
        exchanges.iter().partition(|one| one.is_alone(roots));
    // Of what is cut off nobody knows how it began.
    if turns.iter().any(|turn| turn.is_whole()) {
        turns.retain(|turn| turn.is_whole());
    }
    let Some(newest) = turns.first().map(|turn| turn.id) else {
        return HashSet::new();
    };
    let parents: HashSet<Id> = turns.iter().flat_map(|turn| turn.parents()).collect();
    let begun = alone.iter().filter(|one| one.has_answer_among(&parents));
    turns.extend(begun);
    let told: Vec<_> = turns.iter().filter_map(|turn| turn.told()).collect();
    let different: HashSet<_> = told.iter().copied().collect();
    let is_told_again = !told.is_empty() && different.len() * 2 <= told.len();
    let mut prompted = turns.iter().filter(|turn| turn.rows().any(is_prompt));
    let has_always_tools =
        prompted.clone().next().is_some() && prompted.all(|turn| turn.rows().any(has_tools));
    if !is_told_again && !has_always_tools {
        return HashSet::new();
    }
    let newer = alone.into_iter().take_while(|one| one.id > newest);
    let is_aside = |one: &&Exchange<'_>| !different.contains(&one.told().unwrap_or_default());
    newer.take_while(is_aside).map(|one| one.id).collect()
}

fn id(row: &StoredMessage) -> Id {
    row.message.id
}

fn is_root(row: &StoredMessage) -> bool {
    row.message.parent_id.is_none() && is_said(row) && !is_prompt(row)
}

/// An exchange's rows, newest first.
struct Exchange<'a> {
    id: Id,
    rows: Vec<&'a StoredMessage>,
}

impl<'a> Exchange<'a> {
    /// Those of these rows, which are oldest first; the newest exchange first.
    fn all_of(rows: &'a [StoredMessage]) -> Vec<Self> {
        let mut exchanges: Vec<Self> = Vec::new();
        for row in rows.iter().rev() {
            let id = row.exchange.exchange_id;
            match exchanges.last_mut().filter(|last| last.id == id) {
                Some(exchange) => exchange.rows.push(row),
                None => exchanges.push(Self {
                    id,
                    rows: vec![row],
                }),
            }
        }
        exchanges
    }

    fn rows(&self) -> impl Iterator<Item = &'a StoredMessage> {
        self.rows.iter().copied()
    }

    fn is_whole(&self) -> bool {
        self.rows().any(is_first)
    }

    fn parents(&self) -> impl Iterator<Item = Id> {
        self.rows().filter_map(|row| row.message.parent_id)
    }

    fn has_answer_among(&self, ids: &HashSet<Id>) -> bool {
        self.rows()
            .any(|row| row.message.role == Role::Assistant && ids.contains(&id(row)))
    }

    /// The question that it has nothing but another answer to.
    fn asks_again(&self) -> Option<Id> {
        let mut said = self.rows().filter(|row| !is_prompt(row));
        let parent = said.next()?.message.parent_id?;
        let is_answer = |row: &StoredMessage| {
            row.message.role == Role::Assistant && row.message.parent_id == Some(parent)
        };
        let mut said = self.rows().filter(|row| !is_prompt(row));
        said.all(is_answer).then_some(parent)
    }

    /// Whether it has neither a past nor tools, and all of it is here.
    fn is_alone(&self, roots: &HashSet<Id>) -> bool {
        let again = self.asks_again();
        let begins = self.rows().any(is_root) || again.is_some_and(|asked| roots.contains(&asked));
        begins
            && self.is_whole()
            && !self.has_answer_among(&self.parents().collect())
            && !self.rows().any(is_added)
            && !self.rows().any(has_tools)
    }

    /// What the model was told before, `Some(None)` where that is nothing; `None` where it is not
    /// known, since no answer says so.
    fn told(&self) -> Option<Option<ChainHash>> {
        let answer = self.rows().find(|row| row.message.role == Role::Assistant);
        let prompt = || self.rows().find(|row| is_prompt(row));
        let told = answer.or_else(prompt);
        told.map(|row| row.message.prompt_hash)
    }
}

/// The part of a prompt's `other` that says so.
#[derive(Deserialize)]
struct Tools {
    tools: Option<IgnoredAny>,
}

fn has_tools(row: &StoredMessage) -> bool {
    let other = row.message.other.as_deref().filter(|_| is_prompt(row));
    let parsed = other.and_then(|other| serde_json::from_str::<Tools>(other).ok());
    parsed.is_some_and(|other| other.tools.is_some())
}
