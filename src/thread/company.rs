//! Whether others write into the same conversations: then what is not remembered here may be stored all
//! the same, and a question that is tried again at another gateway would be stored twice.

use super::memory::Memory;
use crate::store::{KnownMessage, Recall, Recalled, UnixMillis};

/// So many messages that were looked for in vain say that nobody else writes.
const ALONE_AFTER: usize = 4096;
/// Of batches that are written alone, one in so many looks whether others have come.
const LOOKS_ROUND_EACH: u32 = 16;

/// What is known of other writers.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// When the first exchange was threaded: what is older may be one's own.
    since: Option<UnixMillis>,
    asked_in_vain: usize,
    batches: u32,
}

impl Company {
    /// A batch begins, with an exchange of this time.
    pub(super) fn begin_batch(&mut self, at: UnixMillis) {
        self.since.get_or_insert(at);
        self.batches = self.batches.wrapping_add(1);
    }

    /// Whether what is not remembered may be stored all the same.
    pub(super) fn may_have_written(&self) -> bool {
        self.asked_in_vain < ALONE_AFTER || self.batches.is_multiple_of(LOOKS_ROUND_EACH)
    }

    /// What was asked, and what of it is there.
    pub(super) fn hear(&mut self, asked: &Recall, recalled: &Recalled, memory: &Memory) {
        let heads = recalled.heads.iter();
        let heads = heads.filter_map(|head| head.message.as_ref());
        let is_of_others = |message: &KnownMessage| {
            let is_new = self
                .since
                .is_some_and(|since| message.id.unix_ms() >= since);
            let own = memory.message(message.conversation_id, message.chain_hash);
            is_new && own.is_none()
        };
        if recalled.messages.iter().chain(heads).any(is_of_others) {
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

    const NOW: i64 = 1_700_000_000_000;

    fn vain() -> Recall {
        Recall {
            recent: vec![[1; 16]; ALONE_AFTER],
            ..Recall::default()
        }
    }

    fn looks_round(company: &mut Company) -> usize {
        let begun = (0..LOOKS_ROUND_EACH).filter(|_| {
            company.begin_batch(NOW);
            company.may_have_written()
        });
        begun.count()
    }

    #[test]
    fn who_long_found_nobody_looks_round_now_and_then_until_somebody_comes() {
        let (mut company, mut memory) = (Company::default(), Memory::new());
        assert_eq!(looks_round(&mut company), LOOKS_ROUND_EACH as usize);
        company.hear(&vain(), &Recalled::default(), &memory);
        assert_eq!(looks_round(&mut company), 1);

        let conversation_id = Id::exchange(1);
        let message = |after: u8| KnownMessage {
            conversation_id,
            id: Id::exchange((NOW.unsigned_abs() - 1 + u64::from(after)) * 1_000_000),
            chain_hash: [after; 16],
        };
        let found = |message| Recalled {
            messages: vec![message],
            ..Recalled::default()
        };
        let [old, own, others] = [0, 1, 2].map(message);
        memory.learn_message(own.conversation_id, own.chain_hash, own.id);
        for message in [old, own] {
            company.hear(&vain(), &found(message), &memory);
            assert_eq!(looks_round(&mut company), 1);
        }
        company.hear(&vain(), &found(others), &memory);
        assert_eq!(looks_round(&mut company), LOOKS_ROUND_EACH as usize);
    }
}
