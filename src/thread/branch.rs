//! Reading a conversation as what was said on one branch, from its newest exchange back to its root.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    str::FromStr,
};

use super::shown;
use crate::{
    conversation::Role,
    id::Id,
    store::{ChainHash, MAX_PAGE_BYTES, ParsePlaceError, Store, StoreError, StoredMessage},
};

/// Rows read at a time, at least: a page may have to pass over other branches.
const CHUNK: usize = 64;
/// The most rows read at a time.
const MAX_CHUNK: usize = 1000;

/// A page of a branch, oldest first.
#[derive(Debug, Default)]
pub(crate) struct BranchPage {
    pub(crate) data: Vec<StoredMessage>,
    /// Where the page before this one ends; `None` where this one has the root.
    pub(crate) next: Option<Bookmark>,
}

/// A place on a branch, which the page before it ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bookmark {
    /// The next message on the branch.
    wanted: Option<Id>,
    /// Everything from this row on was read.
    below: Id,
    /// The prompt that the last answer read had, while that was not read itself.
    prompt: Option<ChainHash>,
}

/// The latest `limit` messages of the current branch, or of its part before the bookmark; fewer
/// where their texts come to more than a page may hold, but never none.
pub(crate) async fn page(
    store: &dyn Store,
    conversation: Id,
    from: Option<Bookmark>,
    limit: usize,
) -> Result<BranchPage, StoreError> {
    let mut walk = Walk::new(from);
    let chunk = limit.saturating_mul(2).clamp(CHUNK, MAX_CHUNK);
    let mut before = from.map(|bookmark| bookmark.below);
    'pages: while walk.goes_on(limit) {
        let rows = store.messages(conversation, before, chunk).await?;
        before = rows.data.first().map(|row| row.message.id).or(before);
        for row in rows.data.into_iter().rev() {
            while let Some(skipped) = walk.skipped_before(row.message.id) {
                let found = store
                    .messages(conversation, Some(skipped.next()), 1)
                    .await?;
                walk.jump_to(skipped, found.data.into_iter().next());
            }
            if !walk.goes_on(limit) {
                break 'pages;
            }
            walk.pass(row);
        }
        if !rows.has_more {
            break;
        }
    }
    Ok(walk.finish(limit))
}

/// A walk along a branch, from row to older row.
#[derive(Debug, Default)]
struct Walk {
    begun: bool,
    wanted: Option<Id>,
    /// The branch, newest first, without what is put in between.
    taken: Vec<StoredMessage>,
    /// Prompts and messages that the API added, newest first.
    between: Vec<StoredMessage>,
    /// What the API added, under messages that were not reached yet.
    added: HashMap<Id, Vec<StoredMessage>>,
    /// Prompts of answers on the branch that were not read yet.
    prompts: HashSet<ChainHash>,
    /// The one of them that the pages read before had not.
    unread: Option<ChainHash>,
    /// The exchange of which the branch's oldest message so far is.
    exchange: Option<Id>,
    /// What all rows that are held come to.
    bytes: usize,
}

impl Walk {
    fn new(from: Option<Bookmark>) -> Self {
        let Some(Bookmark {
            wanted,
            below: _,
            prompt,
        }) = from
        else {
            return Self::default();
        };
        Self {
            begun: true,
            wanted,
            prompts: prompt.into_iter().collect(),
            unread: prompt,
            ..Self::default()
        }
    }

    /// Whether there is more on the branch, and room on the page to know that.
    fn goes_on(&self, limit: usize) -> bool {
        let is_in_prompt = self
            .between
            .last()
            .is_some_and(|row| is_prompt(row) && !is_first(row));
        let is_open = !self.begun || self.wanted.is_some() || !self.prompts.is_empty();
        (is_open || is_in_prompt) && self.taken.len() <= limit && !self.is_heavy()
    }

    fn is_heavy(&self) -> bool {
        self.bytes > MAX_PAGE_BYTES
    }

    /// The next message, where it should have come before this row: its clock was ahead of what
    /// follows it, or it is gone.
    fn skipped_before(&self, row: Id) -> Option<Id> {
        self.wanted.filter(|wanted| *wanted > row)
    }

    fn jump_to(&mut self, wanted: Id, row: Option<StoredMessage>) {
        self.wanted = None;
        // Where retention or an erasure has it, the rest reads without.
        if let Some(row) = row.filter(|row| row.message.id == wanted) {
            self.bytes += shown::bytes(&row);
            self.take(row);
        }
    }

    fn pass(&mut self, row: StoredMessage) {
        let id = row.message.id;
        let bytes = shown::bytes(&row);
        if is_prompt(&row) {
            let hash = row.message.prompt_hash.unwrap_or_default();
            let same = self.between.last().is_some_and(|last| {
                is_prompt(last) && last.exchange.exchange_id == row.exchange.exchange_id
            });
            if same || self.prompts.remove(&hash) {
                self.bytes += bytes;
                self.between.push(row);
            }
        } else if !self.begun && row.message.choice_index != 0 {
            // The other answers of the newest exchange are read beside the first.
            self.bytes += bytes;
            self.taken.push(row);
        } else if self.wanted == Some(id) || !self.begun {
            self.begun = true;
            self.bytes += bytes;
            self.take(row);
        } else if is_added(&row)
            && let Some(parent) = row.message.parent_id
        {
            self.bytes += bytes;
            self.added.entry(parent).or_default().push(row);
        } else if self.wanted.is_none() && self.exchange != Some(row.exchange.exchange_id) {
            // The root's own exchange would have had the prompt.
            self.prompts.clear();
        }
    }

    fn take(&mut self, row: StoredMessage) {
        self.wanted = row.message.parent_id;
        self.exchange = Some(row.exchange.exchange_id);
        self.prompts.extend(row.message.prompt_hash);
        let mut parents = vec![row.message.id];
        while let Some(parent) = parents.pop() {
            for added in self.added.remove(&parent).into_iter().flatten() {
                parents.push(added.message.id);
                self.between.push(added);
            }
        }
        self.taken.push(row);
    }

    fn finish(self, limit: usize) -> BranchPage {
        let is_heavy = self.is_heavy();
        let Self {
            wanted,
            mut taken,
            mut between,
            added,
            unread,
            ..
        } = self;
        if is_heavy && taken.is_empty() && between.is_empty() {
            // More than is held before what they follow was reached: they are shown unasked.
            between.extend(added.into_values().flatten());
        }
        taken.reverse();
        between.sort_by_key(|row| row.message.id);
        // Tools alone are nothing that was said.
        between.retain(|row| !is_prompt(row) || !row.message.content.is_empty());
        let mut on_branch: HashSet<Id> = taken.iter().map(|row| row.message.id).collect();
        let mut data = merge(taken, between);
        let mut next_wanted = wanted;
        let surplus = data.len() - shown::fitting(&data, limit);
        for row in data.drain(..surplus) {
            if on_branch.remove(&row.message.id) {
                next_wanted = Some(row.message.id);
            }
        }
        let prompt = unread_prompt(&data, unread);
        let is_cut = is_heavy && prompt.is_some();
        let has_more = surplus > 0 || next_wanted.is_some() || is_cut;
        let below = data.iter().map(|row| row.message.id).min();
        drop_repeated_prompts(&mut data);
        BranchPage {
            next: below.filter(|_| has_more).map(|below| Bookmark {
                wanted: next_wanted,
                below,
                prompt,
            }),
            data,
        }
    }
}

/// The prompt of the oldest answer, or of those of the pages read before, where it is not among what was read.
fn unread_prompt(data: &[StoredMessage], before: Option<ChainHash>) -> Option<ChainHash> {
    let is_answer = |row: &&StoredMessage| row.message.role == Role::Assistant;
    let answer = data.iter().find(is_answer);
    let hash = answer.map_or(before, |answer| answer.message.prompt_hash);
    let is_read =
        |row: &StoredMessage| is_prompt(row) && is_first(row) && row.message.prompt_hash == hash;
    hash.filter(|_| !data.iter().any(is_read))
}

/// What the application told the model, which is on no branch.
fn is_prompt(row: &StoredMessage) -> bool {
    row.message.prompt_hash.is_some() && row.message.role != Role::Assistant
}

/// Whether its exchange has nothing before it. A prompt stands first.
fn is_first(row: &StoredMessage) -> bool {
    row.message.id == row.exchange.exchange_id.row(1)
}

/// What the API added: it was never on its way through the gateway.
fn is_added(row: &StoredMessage) -> bool {
    row.exchange.latency_ms.is_none()
}

/// Puts each of `between`, which are in the order of their ids, before the first of the branch that is newer.
fn merge(branch: Vec<StoredMessage>, between: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let mut between = between.into_iter().peekable();
    let mut merged = Vec::with_capacity(branch.len());
    for row in branch {
        let is_older = |other: &StoredMessage| other.message.id < row.message.id;
        while let Some(older) = between.next_if(is_older) {
            merged.push(older);
        }
        merged.push(row);
    }
    merged.extend(between);
    merged
}

/// A prompt is stored anew each day: what it repeats is not read twice.
fn drop_repeated_prompts(data: &mut Vec<StoredMessage>) {
    let mut last: Option<(ChainHash, Id)> = None;
    data.retain(|row| {
        let Some(hash) = row.message.prompt_hash.filter(|_| is_prompt(row)) else {
            return true;
        };
        let exchange = row.exchange.exchange_id;
        let is_repeated = last.is_some_and(|(before, of)| before == hash && of != exchange);
        if !is_repeated {
            last = Some((hash, exchange));
        }
        !is_repeated
    });
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            wanted,
            below,
            prompt,
        } = self;
        let prompt = prompt.map(Id::from_bytes);
        let text = |id: &Option<Id>| id.map(|id| id.to_string()).unwrap_or_default();
        write!(f, "{below}_{}_{}", text(wanted), text(&prompt))
    }
}

impl FromStr for Bookmark {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('_').collect();
        let [below, wanted, prompt] = parts[..] else {
            return Err(ParsePlaceError);
        };
        let id = |text: &str| text.parse::<Id>().map_err(|_| ParsePlaceError);
        let optional = |text: &str| (!text.is_empty()).then(|| id(text)).transpose();
        Ok(Self {
            wanted: optional(wanted)?,
            below: id(below)?,
            prompt: optional(prompt)?.map(|hash| *hash.as_bytes()),
        })
    }
}
