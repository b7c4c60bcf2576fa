//! Whether others write into the same conversations: then what is not remembered here may be stored all
//! the same, and a question that is tried again at another gateway would be stored twice.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::memory::Memory;
use crate::{
    id::Id,
    store::{KnownMessage, Recall, Recalled},
};

/// So many exchanges behind which nothing was found say that nobody else writes. Where others do, what they
/// said in the same conversations comes to light in far fewer.
const ALONE_AFTER: usize = 1024;
/// Even then one batch in so many looks whether others have come.
const LOOKS_ROUND_EACH: u32 = 16;

/// What is known of other writers.
#[derive(Debug, Default)]
pub(super) struct Company {
    asked_in_vain: usize,
    batches: u32,
    /// Whether others showed themselves in this batch: then nothing in it is asked in vain.
    is_met: bool,
    /// The rows of this batch, which nobody else has seen.
    made: HashSet<Id, RandomState>,
}

impl Company {
    pub(super) fn begin_batch(&mut self) {
        self.batches = self.batches.wrapping_add(1);
        self.is_met = false;
        self.made.clear();
    }

    /// Learns a row of this batch.
    pub(super) fn learn(&mut self, row: Id) {
        if self.is_reckoned_with() {
            self.made.insert(row);
        }
    }

    /// Whether others may have stored what follows this message.
    pub(super) fn may_have_followed(&self, message: Id) -> bool {
        self.is_reckoned_with() && !self.made.contains(&message)
    }

    fn is_reckoned_with(&self) -> bool {
        self.asked_in_vain < ALONE_AFTER || self.batches.is_multiple_of(LOOKS_ROUND_EACH)
    }

    /// What was asked, and what of it is there.
    pub(super) fn hear(&mut self, asked: &Recall, recalled: &Recalled, memory: &Memory) {
        let since = memory.remembers_since();
        let heads = recalled.heads.iter();
        let heads = heads.filter_map(|head| head.message.as_ref());
        let is_of_others = |message: &KnownMessage| {
            let own = memory.message(message.conversation_id, message.chain_hash);
            message.id.unix_ms() >= since && own.is_none()
        };
        self.is_met |= recalled.messages.iter().chain(heads).any(is_of_others);
        if self.is_met {
            self.asked_in_vain = 0;
        } else {
            let asked = asked.recent.len();
            self.asked_in_vain = self.asked_in_vain.saturating_add(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    const NOW: u64 = 1_700_000_000_000;

    fn message(conversation_id: Id, after: u8) -> KnownMessage {
        KnownMessage {
            conversation_id,
            id: Id::exchange((NOW + u64::from(after)) * 1_000_000),
            chain_hash: [after; 16],
        }
    }

    fn vain() -> Recall {
        Recall {
            recent: vec![[99; 16]; ALONE_AFTER],
            ..Recall::default()
        }
    }

    fn looks_round(company: &mut Company) -> usize {
        let looks = (0..LOOKS_ROUND_EACH).filter(|_| {
            company.begin_batch();
            company.may_have_followed(Id::exchange(1))
        });
        looks.count()
    }

    #[test]
    fn who_long_found_nobody_looks_round_now_and_then_until_somebody_comes() {
        let (mut company, mut memory) = (Company::default(), Memory::new());
        let always = LOOKS_ROUND_EACH as usize;
        assert_eq!(looks_round(&mut company), always);
        company.hear(&vain(), &Recalled::default(), &memory);
        assert_eq!(looks_round(&mut company), 1);

        let conversation = Id::exchange(1);
        let [old, own, others] = [0, 1, 2].map(|after| message(conversation, after));
        memory.learn_message(conversation, own.chain_hash, own.id);
        let found = |message| Recalled {
            messages: vec![message],
            ..Recalled::default()
        };
        // What is older than all that is remembered may be one's own.
        for message in [old, own] {
            company.hear(&vain(), &found(message), &memory);
            assert_eq!(looks_round(&mut company), 1);
        }
        company.hear(&vain(), &found(others), &memory);
        company.hear(&vain(), &Recalled::default(), &memory);
        assert_eq!(looks_round(&mut company), always);
        company.hear(&vain(), &Recalled::default(), &memory);
        assert_eq!(looks_round(&mut company), 1);
    }

    #[test]
    fn behind_a_row_of_the_same_batch_nobody_else_has_stored_anything() {
        let mut company = Company::default();
        let row = message(Id::exchange(1), 0).id;
        company.begin_batch();
        company.learn(row);
        assert!(!company.may_have_followed(row));
        company.begin_batch();
        assert!(company.may_have_followed(row));
    }
}
