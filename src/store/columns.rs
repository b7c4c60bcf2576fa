//! The columns of both kinds of row, in the one order in which they are written and read.

/// Of [`ExchangeColumns`](crate::store::ExchangeColumns): 19.
macro_rules! exchange {
    () => {
        "conversation_id, created_at, exchange_id, tenant, user_id, token_id, channel_id, \
         request_model, model_name, provider, status, is_stream, outcome, truncated, \
         first_token_ms, latency_ms, ip, trace_id, tags"
    };
}

/// Of [`Usage`](crate::conversation::Usage): 7.
macro_rules! usage {
    () => {
        "prompt_tokens, completion_tokens, total_tokens, cached_tokens, cache_write_tokens, \
         reasoning_tokens, usage"
    };
}

/// The columns of a message.
pub(super) const MESSAGE: &str = concat!(
    exchange!(),
    ", id, parent_id, chain_hash, message_id, role, choice_index, token_count, finish_reason, \
     prompt_hash, updated_at, content, other, ",
    usage!()
);
/// How many there are.
pub(super) const MESSAGE_WIDTH: usize = 38;

/// The columns of a failed exchange.
pub(super) const ERROR: &str = concat!(
    exchange!(),
    ", id, parent_id, message_id, role, error_code, error_message, content, other, ",
    usage!()
);
/// How many there are.
pub(super) const ERROR_WIDTH: usize = 34;

/// The bytes of a message's long texts, in a table that is called `t`: what a page may come to is
/// known before it is read.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) const MESSAGE_BYTES: &str = "octet_length(t.content) + \
     coalesce(octet_length(t.other), 0) + coalesce(octet_length(t.usage), 0)";

/// The same of a failed exchange.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) const ERROR_BYTES: &str = "octet_length(t.content) + octet_length(t.error_message) + \
     coalesce(octet_length(t.other), 0) + coalesce(octet_length(t.usage), 0)";

/// The columns that a conversation is made with.
pub(super) const NEW_CONVERSATION: &str = "id, tenant, session_id, user_identifier, title, \
     session_source, created_at, sends_history, parent_conversation_id, first_day, last_day";
/// How many there are.
pub(super) const NEW_CONVERSATION_WIDTH: usize = 11;

/// The columns of a response that may be gone on from.
pub(super) const RESPONSE: &str = "hash, conversation_id, message_id, seen_at";
/// How many there are.
pub(super) const RESPONSE_WIDTH: usize = 4;

/// Of a [`Conversation`](crate::store::Conversation), and its first day: 10.
macro_rules! conversation {
    () => {
        "id, tenant, session_id, user_identifier, title, session_source, created_at, \
         message_count, first_day, last_day"
    };
}

/// The columns that a conversation is read from, and when the newest row of its last day was made, if that is known:
/// a version that knows nothing of it may have closed the day, and left the time of an earlier one.
#[cfg(feature = "postgres")]
pub(super) const POSTGRES_CONVERSATION: &str = concat!(
    conversation!(),
    ", CASE WHEN newest_at >= last_day::timestamp AT TIME ZONE 'UTC' THEN newest_at END AS active_at"
);
#[cfg(feature = "mysql")]
pub(super) const MYSQL_CONVERSATION: &str = concat!(
    conversation!(),
    ", CASE WHEN newest_at >= last_day THEN newest_at END AS active_at"
);
#[cfg(feature = "sqlite")]
pub(super) const SQLITE_CONVERSATION: &str = concat!(
    conversation!(),
    ", CASE WHEN newest_at >= unixepoch(last_day) * 1000 THEN newest_at END AS active_at"
);

/// What tells the messages that count from those of the application and its tools.
pub(super) const COUNTED: &str = "role NOT IN ('system', 'developer', 'tool')";
