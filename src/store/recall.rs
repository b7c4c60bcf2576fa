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
}

/// What is stored of what was asked for. What is not, is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recalled {
    /// The heads of the conversations that exist, in any order.
    pub heads: Vec<Head>,
    /// The messages with one of the hashes, newest day first; several may have the same one.
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
