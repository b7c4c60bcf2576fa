//! What a deletion is asked, and what it answers.

use std::{collections::HashSet, ops::AddAssign};

use crate::id::Id;

/// Of whom everything is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whose {
    /// All that bears the user's name, also what an unnamed client said from an address like it.
    Bearing,
    /// What the user said under his name.
    Named,
}

/// What was left out of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Exchanges that began before their conversation, or all of their user, was deleted.
    pub erased: Vec<Id>,
    /// Conversations that were found to have been deleted: what is remembered of them no longer holds.
    pub deleted: HashSet<Id>,
    /// So many rows were not written, those of [`erased`](Self::erased) exchanges among them.
    pub left_out: usize,
}

/// What was deleted with a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Conversations.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
    /// Failed exchanges.
    pub errors: u64,
    /// Exchanges that the database had refused.
    pub rejects: u64,
    /// Responses that a client might have gone on from.
    pub responses: u64,
    /// Rows of `usage_daily`.
    pub usage: u64,
}

impl AddAssign for Deleted {
    fn add_assign(&mut self, other: Self) {
        let Self {
            conversations,
            messages,
            errors,
            rejects,
            responses,
            usage,
        } = other;
        self.conversations += conversations;
        self.messages += messages;
        self.errors += errors;
        self.rejects += rejects;
        self.responses += responses;
        self.usage += usage;
    }
}
