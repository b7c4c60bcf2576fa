//! What a writer asks about the past before it knows which messages are new.

use super::UnixMillis;
use crate::id::Id;

/// A message and all before it, as a keyed hash.
pub type ChainHash = [u8; 16];

/// What the next batch may continue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recall {
    /// Conversations whose head is wanted.
    pub conversations: Vec<Id>,
    /// Messages that may be stored, in whichever conversation.
    pub hashes: Vec<ChainHash>,
    /// Responses that may have been given, by the hashes of [`KnownResponse`].
    pub responses: Vec<ChainHash>,
    /// Messages of days before this time's are not looked for.
    pub since: UnixMillis,
    /// Messages that another writer may have stored lately, in whichever conversation.
    pub recent: Vec<ChainHash>,
    /// Days before this time's need not be looked through for those.
    pub recent_since: UnixMillis,
}

/// What is stored of what was asked for. What is not, is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recalled {
    /// The heads of the conversations that exist, in any order.
    pub heads: Vec<Head>,
    /// The messages with one of the hashes, the recent ones included, newest day first; several may have the same one.
    pub messages: Vec<KnownMessage>,
    /// The responses with one of the hashes whose answers still stand there, in any order.
    pub responses: Vec<KnownResponse>,
}

/// Where a conversation stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The conversation.
    pub conversation_id: Id,
    /// The client's name for it.
    pub session_id: String,
    /// Whether a client ever sent its history along.
    pub sends_history: bool,
    /// The newest message with a chain hash, of the first choice, within the time asked for.
    pub message: Option<KnownMessage>,
    /// What was asked last, where its answer is not whole and no history is sent.
    pub unanswered: Option<Unanswered>,
}

/// A question whose answer is not whole, and which may be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unanswered {
    /// The last message of what was asked.
    pub question: KnownMessage,
    /// The hash of what its first message follows; `None` where it follows nothing.
    pub follows: Option<ChainHash>,
}

/// A message that is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownMessage {
    /// The conversation that it stands in.
    pub conversation_id: Id,
    /// Its row's id.
    pub id: Id,
    /// The hash of it and all before it.
    pub chain_hash: ChainHash,
}

/// A response that a client may go on from by the provider's id of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownResponse {
    /// A keyed hash of that id and of whoever was answered.
    pub hash: ChainHash,
    /// The answer.
    pub message: KnownMessage,
}

/// A message near a conversation's head, of the first choice and with a hash.
#[cfg(any(test, feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Near {
    pub(crate) message: KnownMessage,
    pub(crate) exchange_id: Id,
    pub(crate) parent_id: Option<Id>,
    pub(crate) is_answer: bool,
}

/// How many of them tell what was asked: the results of some tools, and answers broken off.
#[cfg(any(feature = "sqlite", feature = "mysql"))]
pub(super) const NEAR_ROWS: usize = 16;

#[cfg(any(test, feature = "sqlite", feature = "postgres", feature = "mysql"))]
impl Unanswered {
    /// What was asked before a head whose exchange is not whole, where that is among these, newest first.
    pub(crate) fn among(near: &[Near]) -> Option<Self> {
        let find = |id: Id| near.iter().find(|row| row.message.id == id);
        let mut last = near.first()?;
        while last.is_answer {
            last = find(last.parent_id?)?;
        }
        let mut first = last;
        let follows = loop {
            let Some(parent) = first.parent_id else {
                break None;
            };
            let before = find(parent)?;
            if before.exchange_id != last.exchange_id {
                break Some(before.message.chain_hash);
            }
            first = before;
        };
        Some(Self {
            question: last.message,
            follows,
        })
    }
}
