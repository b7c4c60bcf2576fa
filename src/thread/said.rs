//! What was said, as hashes: of a long history that was hashed before, only its end.

use super::{
    Key,
    canon::{Digest, chained, digest, short, write},
    memory::Memory,
    reminder::{ASIDE, asides},
};
use crate::{conversation::Message, store::ChainHash};

/// A shorter text, in bytes, is hashed message by message in less time than it is looked for.
const WORTH_REMEMBERING: usize = 4096;

/// What was said in a request.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Messages whose digests are left out, since what they come to is remembered.
    skipped: usize,
    /// The hash of the last of these and all before it.
    skipped_hash: ChainHash,
    /// The digests of the others.
    digests: Vec<Digest>,
    /// What all of it is remembered by, where it is long.
    pub(super) remembered_by: Option<ChainHash>,
}

impl Said {
    /// All digests of these messages.
    pub(crate) fn new(key: &Key, messages: &[Message]) -> Self {
        let asides: Vec<bool> = asides(messages).collect();
        Self::from(key, messages, &asides, 0, ChainHash::default())
    }

    /// The digests of these messages; only those from the last answer on, up to which there are
    /// `answered` messages, where what this user's client had sent before it is remembered.
    pub(super) fn remembering(
        key: &Key,
        scope: &ChainHash,
        messages: &[Message],
        answered: usize,
        memory: &Memory,
    ) -> Self {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        if bytes < WORTH_REMEMBERING {
            return Self::new(key, messages);
        }
        let asides: Vec<bool> = asides(messages).collect();
        let before = answered.saturating_sub(1);
        let mut whole = Whole::new(key, scope);
        for (message, is_aside) in messages.iter().zip(&asides).take(before) {
            whole.add(message, *is_aside);
        }
        let said = match memory.said(&whole.hash()) {
            Some(hash) => Self::from(key, messages, &asides, before, hash),
            None => Self::from(key, messages, &asides, 0, ChainHash::default()),
        };
        for (message, is_aside) in messages.iter().zip(&asides).skip(before) {
            whole.add(message, *is_aside);
        }
        Self {
            remembered_by: Some(whole.hash()),
            ..said
        }
    }

    fn from(
        key: &Key,
        messages: &[Message],
        asides: &[bool],
        skipped: usize,
        skipped_hash: ChainHash,
    ) -> Self {
        let rest = messages.iter().zip(asides).skip(skipped);
        let digests = rest.map(|(message, is_aside)| match is_aside {
            true => ASIDE,
            false => digest(key, message),
        });
        Self {
            skipped,
            skipped_hash,
            digests: digests.collect(),
            remembered_by: None,
        }
    }

    /// How many messages these are.
    pub(crate) fn len(&self) -> usize {
        self.skipped + self.digests.len()
    }

    /// How many digests are left out.
    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }

    /// The digests of all but so many messages, of which none is left out.
    pub(crate) fn behind(&self, known: usize) -> &[Digest] {
        let behind = known.checked_sub(self.skipped);
        behind
            .and_then(|behind| self.digests.get(behind..))
            .unwrap_or_default()
    }

    /// The hash of each message with all before it, where they follow `began`.
    pub(super) fn chain(&self, key: &Key, began: ChainHash) -> Chain {
        let mut last = match self.skipped {
            0 => began,
            _ => self.skipped_hash,
        };
        let hashes = self.digests.iter().map(|digest| {
            last = chained(key, &last, digest);
            last
        });
        Chain {
            skipped: self.skipped,
            hashes: hashes.collect(),
        }
    }
}

/// Behind each message: no field of one is as long as this says.
const END_OF_MESSAGE: [u8; 8] = u64::MAX.to_le_bytes();
/// Hashed at a time: enough for every lane, and little enough to stay in the cache.
const WINDOW_BYTES: usize = 16 << 10;

/// One hash over many messages.
struct Whole {
    hasher: blake3::Hasher,
    window: Vec<u8>,
}

impl Whole {
    fn new(key: &Key, scope: &ChainHash) -> Self {
        let mut window = Vec::with_capacity(2 * WINDOW_BYTES);
        window.extend_from_slice(scope);
        Self {
            hasher: blake3::Hasher::new_keyed(key),
            window,
        }
    }

    fn add(&mut self, message: &Message, is_aside: bool) {
        if is_aside {
            return;
        }
        write(&mut self.window, message);
        self.window.extend_from_slice(&END_OF_MESSAGE);
        if self.window.len() >= WINDOW_BYTES {
            self.hasher.update(&self.window);
            self.window.clear();
        }
    }

    fn hash(&mut self) -> ChainHash {
        self.hasher.update(&self.window);
        self.window.clear();
        short(&self.hasher.finalize())
    }
}

/// The hash of each message with all before it.
#[derive(Debug)]
pub(super) struct Chain {
    skipped: usize,
    hashes: Vec<ChainHash>,
}

impl Chain {
    pub(super) fn len(&self) -> usize {
        self.skipped + self.hashes.len()
    }

    /// The hash up to so many messages; `None` where it is left out.
    pub(super) fn up_to(&self, messages: usize) -> Option<&ChainHash> {
        self.hashes.get(messages.checked_sub(self.skipped + 1)?)
    }

    /// The hashes from that up to so many messages on.
    pub(super) fn from(&self, messages: usize) -> &[ChainHash] {
        let begin = messages.saturating_sub(self.skipped + 1);
        self.hashes.get(begin..).unwrap_or_default()
    }

    pub(super) fn last(&self) -> Option<&ChainHash> {
        self.hashes.last()
    }

    /// Whether none is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.skipped == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Role;

    const KEY: Key = [7; 32];
    const SCOPE: ChainHash = [1; 16];

    fn talk(turns: usize) -> Vec<Message> {
        let text = |number: usize| format!("{number} {}", "long ".repeat(200));
        let turn = |number| {
            [
                Message::new(Role::User, text(number)),
                Message::new(Role::Assistant, text(number)),
            ]
        };
        let mut messages: Vec<Message> = (0..turns).flat_map(turn).collect();
        messages.push(Message::new(Role::User, "and then?"));
        messages
    }

    #[test]
    fn of_what_is_remembered_the_hashes_are_the_same() {
        let mut memory = Memory::new();
        let mut messages = talk(9);
        for (answered, skipped) in [(18, 0), (20, 19), (22, 21)] {
            let said = Said::remembering(&KEY, &SCOPE, &messages, answered, &memory);
            assert_eq!(said.skipped(), skipped);
            let whole = Said::new(&KEY, &messages).chain(&KEY, SCOPE);
            let chain = said.chain(&KEY, SCOPE);
            assert_eq!(chain.len(), whole.len());
            for number in skipped + 1..=whole.len() {
                assert_eq!(chain.up_to(number), whole.up_to(number));
                assert_eq!(chain.from(number), whole.from(number));
            }
            memory.learn_said(said.remembered_by.unwrap(), *whole.last().unwrap());
            let talk = [(Role::Assistant, "that"), (Role::User, "I see")];
            messages.extend(talk.map(|(role, text)| Message::new(role, text)));
        }
    }

    #[test]
    fn what_differs_is_not_taken_for_what_is_remembered() {
        let mut memory = Memory::new();
        let said = Said::remembering(&KEY, &SCOPE, &talk(9), 18, &memory);
        memory.learn_said(said.remembered_by.unwrap(), [5; 16]);
        let skipped = |scope: &ChainHash, messages: &[Message]| {
            let answered = messages.len() - 1;
            Said::remembering(&KEY, scope, messages, answered, &memory).skipped()
        };
        let mut next = talk(9);
        next.push(Message::new(Role::Assistant, "that"));
        next.push(Message::new(Role::User, "I see"));
        assert_eq!(skipped(&SCOPE, &next), 19);
        assert_eq!(skipped(&[2; 16], &next), 0);
        next[3].content.push('!');
        assert_eq!(skipped(&SCOPE, &next), 0);
        let mut moved = talk(9);
        moved.swap(0, 2);
        moved.extend(next.drain(19..));
        assert_eq!(skipped(&SCOPE, &moved), 0);
    }
}
