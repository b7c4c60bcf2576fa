//! What the database answered while a batch is threaded.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::{
    id::Id,
    store::{ChainHash, Head, KnownMessage, KnownResponse, Recall, Recalled},
};

/// What was asked, and what of it is there.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    asked_conversations: HashSet<Id, RandomState>,
    asked_hashes: HashSet<ChainHash, RandomState>,
    asked_recent: HashSet<ChainHash, RandomState>,
    times_asked: usize,
    heads: HashMap<Id, Head, RandomState>,
    messages: HashMap<ChainHash, Vec<KnownMessage>, RandomState>,
    responses: HashMap<ChainHash, Option<KnownMessage>, RandomState>,
}

impl Facts {
    /// Adds what was asked and answered.
    pub(crate) fn add(&mut self, asked: Recall, recalled: Recalled) {
        self.asked_conversations.extend(asked.conversations);
        self.asked_hashes.extend(asked.hashes);
        self.asked_recent.extend(asked.recent);
        self.times_asked += 1;
        for head in recalled.heads {
            self.heads.insert(head.conversation_id, head);
        }
        for response in asked.responses {
            self.responses.insert(response, None);
        }
        for KnownResponse { hash, message } in recalled.responses {
            self.responses.insert(hash, Some(message));
        }
        for message in recalled.messages {
            let known = self.messages.entry(message.chain_hash).or_default();
            if !known.iter().any(|other| other.id == message.id) {
                known.push(message);
            }
        }
    }

    /// The answer that this response was, once that was asked: `Some(None)` where it is not stored.
    pub(super) fn response(&self, response: &ChainHash) -> Option<Option<KnownMessage>> {
        self.responses.get(response).copied()
    }

    /// Where the conversation stands, once that was asked: `Some(None)` where it does not exist.
    pub(super) fn head(&self, conversation: Id) -> Option<Option<&Head>> {
        let asked = self.asked_conversations.contains(&conversation);
        asked.then(|| self.heads.get(&conversation))
    }

    pub(super) fn has_asked(&self, hash: &ChainHash) -> bool {
        self.asked_hashes.contains(hash)
    }

    /// How often the database was asked for this batch.
    pub(super) fn times_asked(&self) -> usize {
        self.times_asked
    }

    /// Whether it was asked for at least among what was stored lately.
    pub(super) fn has_asked_lately(&self, hash: &ChainHash) -> bool {
        self.asked_recent.contains(hash) || self.has_asked(hash)
    }

    /// The newest message with this hash in this conversation.
    pub(super) fn message(&self, conversation: Id, hash: &ChainHash) -> Option<Id> {
        let here = self.messages.get(hash)?.iter();
        here.filter(|known| known.conversation_id == conversation)
            .map(|known| known.id)
            .max()
    }

    /// The newest message with this hash, wherever it stands.
    pub(super) fn anywhere(&self, hash: &ChainHash) -> Option<&KnownMessage> {
        self.messages.get(hash)?.iter().max_by_key(|known| known.id)
    }
}
