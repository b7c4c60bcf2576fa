//! What a writer remembers of the messages that it stored: the parents of the turns to come.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use foldhash::fast::RandomState;

use crate::{
    id::Id,
    store::{ChainHash, KnownMessage, KnownResponse, UnixMillis},
};

/// Messages remembered, twice: with what is around them some 25 MB, and as much again where all of
/// them are answers with a response's id. The last messages of as many
/// conversations as a busy gateway has open.
const MESSAGES: usize = 65_536;
/// Conversations remembered, twice: some 20 MB, and 6 MB of what their histories come to.
const CONVERSATIONS: usize = 65_536;

// An exchange is of one conversation, and at least one row.
const _: () = assert!(CONVERSATIONS >= MESSAGES);

/// What was stored lately. Without it every turn would have to ask the database.
#[derive(Debug)]
pub(super) struct Memory {
    messages: Generations<(Id, ChainHash), Id>,
    /// When the messages of the young and of the old half begin.
    begun: [UnixMillis; 2],
    /// Answers of the model, in whichever conversation: what one without a name is found by.
    answers: Generations<ChainHash, KnownMessage>,
    /// Answers by the provider's id of the response, hashed.
    responses: Generations<ChainHash, KnownMessage>,
    heads: Generations<Id, Stand>,
    /// The hashes that histories come to, by what was sent and answered.
    said: Generations<ChainHash, ChainHash>,
}

/// Where a conversation stands, as far as this writer knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Stand {
    pub(super) session_id: String,
    pub(super) sends_history: bool,
    pub(super) head: Option<(Id, ChainHash)>,
    /// What the newest exchange began after, if its answer is not whole: the same may be tried again.
    pub(super) unanswered: Option<ChainHash>,
}

impl Memory {
    /// As many rows are learned at least before the first of them is forgotten.
    pub(super) const ROWS: usize = MESSAGES;

    pub(super) fn new() -> Self {
        Self {
            messages: Generations::new(MESSAGES),
            begun: [UnixMillis::MAX; 2],
            answers: Generations::new(MESSAGES),
            responses: Generations::new(MESSAGES),
            heads: Generations::new(CONVERSATIONS),
            said: Generations::new(CONVERSATIONS),
        }
    }

    /// The hash that what is remembered by this comes to.
    pub(super) fn said(&self, remembered_by: &ChainHash) -> Option<ChainHash> {
        self.said.get(remembered_by).copied()
    }

    pub(super) fn learn_said(&mut self, remembered_by: ChainHash, hash: ChainHash) {
        self.said.insert(remembered_by, hash);
    }

    /// The row of the message with this hash in this conversation.
    pub(super) fn message(&self, conversation: Id, hash: ChainHash) -> Option<Id> {
        self.messages.get(&(conversation, hash)).copied()
    }

    pub(super) fn learn_message(&mut self, conversation: Id, hash: ChainHash, row: Id) {
        if self.messages.insert((conversation, hash), row) {
            let [young, _] = self.begun;
            self.begun = [row.unix_ms(), young];
        }
    }

    /// From when on all that was learned is remembered.
    pub(super) fn remembers_since(&self) -> UnixMillis {
        let [young, old] = self.begun;
        young.min(old)
    }

    pub(super) fn answer(&self, hash: ChainHash) -> Option<&KnownMessage> {
        self.answers.get(&hash)
    }

    pub(super) fn learn_answer(&mut self, answer: KnownMessage) {
        self.answers.insert(answer.chain_hash, answer);
    }

    pub(super) fn response(&self, hash: ChainHash) -> Option<&KnownMessage> {
        self.responses.get(&hash)
    }

    pub(super) fn learn_response(&mut self, response: &KnownResponse) {
        let KnownResponse { hash, message } = *response;
        self.responses.insert(hash, message);
    }

    pub(super) fn stand(&self, conversation: Id) -> Option<&Stand> {
        self.heads.get(&conversation)
    }

    pub(super) fn learn_stand(&mut self, conversation: Id, stand: Stand) {
        self.heads.insert(conversation, stand);
    }

    /// Forgets all that stands in these conversations.
    pub(super) fn forget_conversations(&mut self, gone: &HashSet<Id>) {
        self.messages.retain(|(id, _), _| !gone.contains(id));
        let stands = |known: &KnownMessage| !gone.contains(&known.conversation_id);
        self.answers.retain(|_, known| stands(known));
        self.responses.retain(|_, known| stands(known));
        self.heads.retain(|id, _| !gone.contains(id));
    }
}

/// A map that forgets what was not written for long: when the young half is full, it becomes the
/// old one, and the old one goes.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
    capacity: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            capacity,
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Whether a young half begins with it.
    fn insert(&mut self, key: K, value: V) -> bool {
        if self.young.len() >= self.capacity {
            // The old half's room is used again.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        let begins = self.young.is_empty();
        self.young.insert(key, value);
        begins
    }

    fn retain(&mut self, stays: impl Fn(&K, &V) -> bool) {
        for half in [&mut self.young, &mut self.old] {
            half.retain(|key, value| stays(key, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_remembered_and_the_oldest_forgotten() {
        let mut map = Generations::new(10);
        for number in 0..100 {
            map.insert(number, number);
            assert!(map.young.len() + map.old.len() <= 20);
            for recent in 0..number.min(10) {
                assert_eq!(map.get(&(number - recent)), Some(&(number - recent)));
            }
        }
        assert_eq!(map.get(&50), None);
        map.insert(99, 7);
        assert_eq!(map.get(&99), Some(&7));
    }

    #[test]
    fn from_a_time_on_every_row_that_was_learned_is_remembered() {
        let mut memory = Memory::new();
        assert_eq!(memory.remembers_since(), UnixMillis::MAX);
        let conversation = Id::exchange(1);
        let row = |number: usize| Id::exchange(number as u64 * 1_000_000);
        let hash = |number: usize| (number as u128).to_be_bytes();
        let learned = Memory::ROWS * 5 / 2;
        for number in 0..learned {
            memory.learn_message(conversation, hash(number), row(number));
        }
        let since = usize::try_from(memory.remembers_since()).unwrap();
        assert_eq!(since, Memory::ROWS);
        for number in 0..learned {
            let is_remembered = memory.message(conversation, hash(number)).is_some();
            assert_eq!(is_remembered, number >= since, "{number}");
        }
    }

    #[test]
    fn rows_are_remembered_until_as_many_more_are_learned() {
        let mut memory = Memory::new();
        let conversation = Id::exchange(1);
        let hash = |number: usize| (number as u128).to_be_bytes();
        for first in [0, 1, Memory::ROWS / 2] {
            for number in first..first + Memory::ROWS {
                memory.learn_message(conversation, hash(number), conversation);
            }
            assert!(memory.message(conversation, hash(first)).is_some());
        }
    }
}
