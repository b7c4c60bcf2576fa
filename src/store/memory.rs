//! What the writer remembers between batches, so that a conversation costs nothing once it is stored.

use std::collections::HashMap;
#[cfg(any(feature = "sqlite", feature = "mysql"))]
use std::collections::HashSet;

use super::pack::ConversationCells;
use crate::{id::Id, partition::Day};

/// Days whose statements stay cached. A batch across midnight has two; late rows bring others, and
/// each holds six statements of up to 1,900 parameters.
#[cfg(any(feature = "sqlite", feature = "mysql"))]
const CACHED_DAYS: usize = 4;

/// Conversations remembered as stored: about 4 MB.
const KNOWN_CONVERSATIONS: usize = 65_536;

/// What the writer remembers between batches, as long as its connection lives.
#[derive(Debug, Default)]
pub(super) struct Memory {
    conversations: HashMap<Id, Stored>,
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    days: HashSet<Day>,
}

/// What is known to be stored of a conversation.
#[derive(Clone, Copy, Debug)]
struct Stored {
    first_day: Day,
    last_day: Day,
    titled: bool,
    sends_history: bool,
}

impl Memory {
    /// Whether statements of too many days are cached with these; then they are all forgotten.
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    pub(super) fn has_too_many_days<'a>(&mut self, days: impl Iterator<Item = &'a Day>) -> bool {
        self.days.extend(days);
        let too_many = self.days.len() > CACHED_DAYS;
        if too_many {
            self.days.clear();
        }
        too_many
    }

    /// Whether nothing about this conversation is new.
    pub(super) fn covers(&self, new: &ConversationCells) -> bool {
        self.conversations.get(&new.id).is_some_and(|stored| {
            stored.first_day <= new.first_day
                && stored.last_day >= new.last_day
                && (stored.titled || !new.titled)
                && (stored.sends_history || !new.sends_history)
        })
    }

    /// Forgets which conversations are stored, of which some were removed.
    #[cfg(feature = "sqlite")]
    pub(super) fn forget_conversations(&mut self) {
        self.conversations.clear();
    }

    /// Remembers a conversation whose transaction was committed.
    pub(super) fn learn(&mut self, new: &ConversationCells) {
        if self.conversations.len() >= KNOWN_CONVERSATIONS {
            self.conversations.clear();
        }
        let stored = self.conversations.entry(new.id).or_insert(Stored {
            first_day: new.first_day,
            last_day: new.last_day,
            titled: new.titled,
            sends_history: new.sends_history,
        });
        stored.first_day = stored.first_day.min(new.first_day);
        stored.last_day = stored.last_day.max(new.last_day);
        stored.titled |= new.titled;
        stored.sends_history |= new.sends_history;
    }
}
