//! Requests about a conversation that are none of its turns: agents ask for titles, topics and the
//! like under its name.

use std::collections::HashSet;

use serde::{Deserialize, de::IgnoredAny};

use super::row::{is_added, is_first, is_prompt, is_said};
use crate::{
    conversation::Role,
    id::Id,
    store::{ChainHash, Store, StoreError, StoredMessage},
};

/// Of the newest rows, oldest first: the exchanges that are newer than the current branch.
///
/// Such an exchange begins with what was asked in it, without a history, was told something else
/// before than any other has been, has no tools, and nothing goes on from it. A history that was
/// compacted, a new talk and an edited beginning are told what they always were, or have tools.
pub(super) async fn asides(
    store: &dyn Store,
    conversation: Id,
    rows: &[StoredMessage],
) -> Result<HashSet<Id>, StoreError> {
    let mut roots: HashSet<Id> = rows.iter().filter(|row| is_root(row)).map(id).collect();
    let mut exchanges: Vec<Exchange<'_>> = Vec::new();
    for row in rows.iter().rev() {
        let id = row.exchange.exchange_id;
        match exchanges.last_mut().filter(|last| last.id == id) {
            Some(exchange) => exchange.rows.push(row),
            None => exchanges.push(Exchange {
                id,
                rows: vec![row],
            }),
        }
    }
    let (Some(newest), Some(oldest)) = (exchanges.first(), rows.first()) else {
        return Ok(HashSet::new());
    };
    // What was asked there before may stand far behind.
    if let Some(asked) = newest.asks_again().filter(|asked| *asked < id(oldest)) {
        let found = store.messages(conversation, Some(asked.next()), 1).await?;
        let found = found.data.iter().filter(|row| is_root(row)).map(id);
        roots.extend(found.filter(|root| *root == asked));
    }
    if !newest.is_alone(&roots) {
        return Ok(HashSet::new());
    }
    let (alone, turns): (Vec<_>, Vec<_>) = exchanges.iter().partition(|one| one.is_alone(&roots));
    let told: HashSet<_> = turns.iter().filter_map(|turn| turn.told()).collect();
    let Some(turn) = turns.first() else {
        return Ok(HashSet::new());
    };
    let newer = alone.into_iter().take_while(|one| one.id > turn.id);
    let is_aside = |one: &&Exchange<'_>| !told.contains(&one.told().unwrap_or_default());
    Ok(newer.take_while(is_aside).map(|one| one.id).collect())
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
    fn rows(&self) -> impl Iterator<Item = &'a StoredMessage> {
        self.rows.iter().copied()
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
        let parents: HashSet<Id> = self
            .rows()
            .filter_map(|row| row.message.parent_id)
            .collect();
        let shows_answer =
            |row: &StoredMessage| row.message.role == Role::Assistant && parents.contains(&id(row));
        begins
            && self.rows().any(is_first)
            && !self.rows().any(shows_answer)
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
