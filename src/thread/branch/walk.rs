//! A walk along a branch, one row at a time.

use std::collections::{HashMap, HashSet};

use super::{
    Bookmark, BranchPage,
    row::{is_added, is_first, is_prompt, is_said},
};
use crate::{
    conversation::Role,
    id::Id,
    store::{ChainHash, MAX_PAGE_BYTES, StoredMessage},
    thread::shown,
};

/// A walk along a branch, from row to older row.
#[derive(Debug, Default)]
pub(super) struct Walk {
    begun: bool,
    /// The newest exchange's first answer, where it is on this page or cut from it.
    head: Option<Id>,
    wanted: Option<Id>,
    /// The wanted message is gone, or was never stored: what was said before it stands for it.
    is_adrift: bool,
    /// The branch, newest first, without what is put in between.
    taken: Vec<StoredMessage>,
    /// Prompts, messages that the API added and exchanges that ended late, newest first.
    between: Vec<StoredMessage>,
    /// What was passed over of the exchange that is being read, newest first.
    passed: Vec<StoredMessage>,
    /// Everything from this row on is on pages read before.
    below: Option<Id>,
    /// What the API added, under messages that were not reached yet.
    added: HashMap<Id, Vec<StoredMessage>>,
    /// Prompts of answers on the branch that were not read yet.
    prompts: HashSet<ChainHash>,
    /// The one of them that the pages read before had not.
    unread: Option<ChainHash>,
    /// The exchange of which the branch's oldest message so far is.
    exchange: Option<Id>,
    /// The exchange older than the root that is being read.
    beyond: Option<Id>,
    /// Something of the exchange that is being read was late.
    has_late: bool,
    /// An exchange older than the root had nothing that was late.
    is_past: bool,
    /// What all rows that are held come to.
    bytes: usize,
}

impl Walk {
    pub(super) fn new(from: Option<Bookmark>) -> Self {
        let Some(Bookmark {
            has_head,
            wanted,
            below,
            prompt,
        }) = from
        else {
            return Self::default();
        };
        Self {
            begun: has_head,
            wanted,
            below: Some(below),
            prompts: prompt.into_iter().collect(),
            unread: prompt,
            ..Self::default()
        }
    }

    /// Whether there is more on the branch, and room on the page to know that.
    pub(super) fn goes_on(&self, limit: usize) -> bool {
        let is_in_prompt = self
            .between
            .last()
            .is_some_and(|row| is_prompt(row) && !is_first(row));
        let is_open =
            !self.begun || self.wanted.is_some() || !self.prompts.is_empty() || !self.is_past;
        (is_open || is_in_prompt) && self.taken.len() <= limit && !self.is_heavy()
    }

    fn is_heavy(&self) -> bool {
        self.bytes > MAX_PAGE_BYTES
    }

    /// The next message, where it should have come before this row: its clock was ahead of what
    /// follows it, or it is gone.
    pub(super) fn skipped_before(&self, row: Option<Id>) -> Option<Id> {
        let is_skipped = |wanted: &Id| row.is_none_or(|row| *wanted > row);
        self.wanted.filter(is_skipped).filter(|_| !self.is_adrift)
    }

    pub(super) fn jump_to(&mut self, wanted: Id, row: Option<StoredMessage>) {
        // What followed a lost message late leads forward, to what was read.
        let is_read = self.taken.iter().any(|row| row.message.id == wanted);
        match row.filter(|row| row.message.id == wanted && !is_read) {
            Some(row) => {
                self.bytes += shown::bytes(&row);
                self.take(row);
            }
            None => self.is_adrift = true,
        }
    }

    /// There are no more rows.
    pub(super) fn end(&mut self) {
        if self.is_adrift {
            self.wanted = None;
        }
    }

    pub(super) fn pass(&mut self, row: StoredMessage) {
        let exchange = row.exchange.exchange_id;
        let is_beyond = self.begun && self.wanted.is_none() && self.exchange != Some(exchange);
        if is_beyond && !is_prompt(&row) {
            self.beyond = Some(exchange);
            if !self.is_late(&row) {
                // The root's own exchange would have had the prompt.
                self.prompts.clear();
            }
        }
        let ends = is_first(&row) && self.beyond == Some(exchange);
        self.place(row);
        if ends {
            // What began before the root's exchange and ended after it lies right before it.
            self.is_past = !self.has_late;
            self.has_late = false;
        }
    }

    fn place(&mut self, row: StoredMessage) {
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
        } else if self.wanted == Some(id) || !self.begun || (self.is_adrift && is_said(&row)) {
            if !self.begun {
                self.head = Some(id);
            }
            self.begun = true;
            self.bytes += bytes;
            self.take(row);
        } else if is_added(&row)
            && let Some(parent) = row.message.parent_id
        {
            self.bytes += bytes;
            self.added.entry(parent).or_default().push(row);
        } else if self.is_late(&row) {
            self.take_late(row);
        } else {
            self.pass_over(row);
        }
    }

    /// Whether it was put behind a message of the branch that is newer than itself: its client sends
    /// no history, and the exchange began before another that ended first.
    fn is_late(&self, row: &StoredMessage) -> bool {
        let parent = row.message.parent_id;
        parent
            .filter(|parent| *parent > row.message.id)
            .is_some_and(|parent| {
                let is_on_branch = |row: &StoredMessage| row.message.id == parent;
                self.below.is_some_and(|below| parent >= below)
                    || self.taken.iter().any(is_on_branch)
            })
    }

    /// Reads an exchange that ended late at its own time, from its first message on.
    fn take_late(&mut self, row: StoredMessage) {
        self.has_late = true;
        self.bytes += shown::bytes(&row);
        let exchange = row.exchange.exchange_id;
        for later in self.passed.drain(..) {
            if later.exchange.exchange_id == exchange && later.message.choice_index == 0 {
                self.bytes += shown::bytes(&later);
                self.between.push(later);
            }
        }
        self.between.push(row);
    }

    fn pass_over(&mut self, row: StoredMessage) {
        let exchange = row.exchange.exchange_id;
        let is_same = |last: &StoredMessage| last.exchange.exchange_id == exchange;
        if !self.passed.last().is_some_and(is_same) {
            self.passed.clear();
        }
        self.passed.push(row);
    }

    fn take(&mut self, row: StoredMessage) {
        self.wanted = row.message.parent_id;
        self.is_adrift = false;
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

    pub(super) fn finish(self, limit: usize) -> BranchPage {
        let is_heavy = self.is_heavy();
        let Self {
            begun,
            head,
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
        let is_cut_off = |head: Id| data.iter().all(|row| row.message.id != head);
        let has_head = begun && !head.is_some_and(is_cut_off);
        drop_repeated_prompts(&mut data);
        BranchPage {
            next: below.filter(|_| has_more).map(|below| Bookmark {
                has_head,
                wanted: next_wanted.filter(|_| has_head),
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
