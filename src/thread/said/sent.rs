//! What clients send again and again, in less time than its chain of hashes takes.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{
    conversation::Message,
    store::ChainHash,
    thread::{Key, canon::write},
};

/// Behind each message: no field of one is as long as this says.
const END_OF_MESSAGE: [u8; 8] = u64::MAX.to_le_bytes();

/// One hash over the messages of a user, keyed, and never stored.
///
/// BLAKE3 is slow where a text has not several chunks of 1 KiB.
#[derive(Clone, Debug)]
pub(super) struct Sent(SipHasher13);

impl Sent {
    pub(super) fn new(key: &Key, scope: &ChainHash) -> Self {
        let (half, _) = key.split_first_chunk().unwrap_or((&[0; 16], &[]));
        let mut hasher = SipHasher13::new_with_key(half);
        hasher.write(scope);
        Self(hasher)
    }

    /// Adds a message; `text` is what tells it from others then.
    pub(super) fn add(&mut self, text: &mut Vec<u8>, message: &Message, is_aside: bool) {
        text.clear();
        if is_aside {
            return;
        }
        write(text, message);
        self.0.write(text);
        self.0.write(&END_OF_MESSAGE);
    }

    pub(super) fn hash(&self) -> ChainHash {
        self.0.finish128().as_bytes()
    }
}
