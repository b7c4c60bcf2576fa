//! The rows of an exchange, as they are written and as they are read.
//!
//! A store of your own makes them from their `Default` and sets the fields it knows.
//!
//! A row is made once and frozen: ids and times included, it is sent again unchanged until its fate is known.

use crate::{
    conversation::{Role, Usage},
    id::Id,
    outcome::{Outcome, Truncated},
    partition::Day,
    span::Draft,
    store::{ChainHash, KnownResponse},
};

/// A time in milliseconds since 1970 UTC.
pub type UnixMillis = i64;

/// The conversation that an exchange belongs to, made in the database at first sight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewConversation {
    /// A hash of the tenant, the named user and the session id.
    pub id: Id,
    /// Whose gateway; empty where there is but one.
    pub tenant: String,
    /// The client's name for the conversation.
    pub session_id: String,
    /// Who speaks: the named user, else the client's address.
    pub user_identifier: String,
    /// The first line of the first user message, at most 60 characters.
    pub title: Option<String>,
    /// Where the session id came from: a header's name, `context`, `api` or `generated`.
    pub session_source: String,
    /// The start of the first exchange.
    pub created_at: UnixMillis,
    /// Whether the client sent what was said before along with what is new. Once true, it stays so.
    pub sends_history: bool,
    /// The conversation that this one was begun from, such as an agent's.
    pub parent_conversation_id: Option<Id>,
}

/// The columns that all rows of one exchange share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeColumns {
    /// The conversation.
    pub conversation_id: Id,
    /// The start of the exchange.
    pub created_at: UnixMillis,
    /// The exchange.
    pub exchange_id: Id,
    /// Whose gateway.
    pub tenant: String,
    /// The named user, else the client's address.
    pub user_id: String,
    /// The application's id of the key that was used.
    pub token_id: Option<String>,
    /// The application's id of the upstream that answered.
    pub channel_id: Option<String>,
    /// The model that was asked for.
    pub request_model: Option<String>,
    /// The model that answered, else the one asked for.
    pub model_name: Option<String>,
    /// Whose API was spoken.
    pub provider: Option<String>,
    /// The HTTP status; `None` where there was none.
    pub status: Option<i64>,
    /// Whether the reply was streamed.
    pub is_stream: bool,
    /// How the exchange ended.
    pub outcome: Outcome,
    /// What is missing.
    pub truncated: Truncated,
    /// From the start to the first byte of the response's body, in milliseconds.
    pub first_token_ms: Option<i64>,
    /// From the start to the end, in milliseconds.
    pub latency_ms: Option<i64>,
    /// The client's address.
    pub ip: Option<String>,
    /// The trace id of the request's `traceparent`.
    pub trace_id: Option<String>,
    /// Tags by name, a JSON object.
    pub tags: Option<String>,
}

/// The columns of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageColumns {
    /// The row's id: the exchange's, with the message's number.
    pub id: Id,
    /// The message before this one on its branch.
    pub parent_id: Option<Id>,
    /// A keyed hash of this message and all before it.
    pub chain_hash: Option<[u8; 16]>,
    /// The provider's id.
    pub message_id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// Which of several answers.
    pub choice_index: i64,
    /// Tokens; on the first answer of an exchange only, so that sums are right.
    pub usage: Usage,
    /// The message's own length in tokens, where known.
    pub token_count: Option<i64>,
    /// Why the model stopped, in the provider's word.
    pub finish_reason: Option<String>,
    /// The hash of the system prompt and tools that the reply was made with.
    pub prompt_hash: Option<[u8; 16]>,
    /// The last change.
    pub updated_at: UnixMillis,
    /// The readable text.
    pub content: String,
    /// Tool calls, reasoning and what else there is, a JSON object.
    pub other: Option<String>,
}

/// The columns of a failed exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorColumns {
    /// The row's id.
    pub id: Id,
    /// The last stored message before the failed ones.
    pub parent_id: Option<Id>,
    /// The provider's id of what it had begun to answer.
    pub message_id: Option<String>,
    /// The role of the last message of the request.
    pub role: Role,
    /// The HTTP status; 0 where there was none.
    pub error_code: i64,
    /// What the provider said.
    pub error_message: String,
    /// Tokens, where the provider counted them.
    pub usage: Usage,
    /// The readable text of the last message of the request.
    pub content: String,
    /// The request's messages, the part of the reply that had arrived, the provider's code and type: a JSON object.
    pub other: Option<String>,
}

/// Everything that one exchange adds to the database, in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeRows {
    /// The conversation.
    pub conversation: NewConversation,
    /// What the rows share.
    pub exchange: ExchangeColumns,
    /// The messages, in order. Empty for an exchange that failed.
    pub messages: Vec<MessageColumns>,
    /// The failure, of an exchange that failed.
    pub error: Option<ErrorColumns>,
    /// The response, where a client may go on from it by its id.
    pub response: Option<KnownResponse>,
    /// What of this was said before. Of a conversation that was deleted it is not stored again.
    pub retold: Retold,
    pub(crate) span: Draft,
}

/// What a client sent along with what is new, up to the model's last answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retold {
    /// So many of the first messages, or of those in the details of a failure.
    pub messages: usize,
    /// The keyed hashes of the answers among them, each with all before it. Of many, the first
    /// and the newest.
    pub answers: Vec<ChainHash>,
    /// A title made of what follows.
    pub title: Option<String>,
    /// Whether nothing followed.
    pub is_all: bool,
}

/// A conversation as it stands in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conversation {
    /// Our id.
    pub id: Id,
    /// Whose gateway.
    pub tenant: String,
    /// The client's name for it.
    pub session_id: String,
    /// Who speaks.
    pub user_identifier: String,
    /// Its title.
    pub title: Option<String>,
    /// Where the session id came from.
    pub session_source: String,
    /// When it began.
    pub created_at: UnixMillis,
    /// The time of its newest message, else [`created_at`](Self::created_at).
    pub updated_at: UnixMillis,
    /// Its messages but those of the system and of tools.
    pub message_count: i64,
    /// The last day on which it was active.
    pub(crate) last_day: Day,
}

/// A message as it stands in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMessage {
    /// What it shares with its exchange.
    pub exchange: ExchangeColumns,
    /// What is its own.
    pub message: MessageColumns,
}

/// A failed exchange as it stands in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredError {
    /// The exchange.
    pub exchange: ExchangeColumns,
    /// The failure.
    pub error: ErrorColumns,
}
