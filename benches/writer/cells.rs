//! A message as a row, value by value, for those who write it past the store.

use tower_recording::store::{ExchangeColumns, MessageColumns, UnixMillis};

pub const COLUMNS: [&str; 38] = [
    "conversation_id",
    "created_at",
    "id",
    "exchange_id",
    "parent_id",
    "chain_hash",
    "message_id",
    "tenant",
    "user_id",
    "token_id",
    "channel_id",
    "role",
    "choice_index",
    "request_model",
    "model_name",
    "provider",
    "status",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "token_count",
    "is_stream",
    "finish_reason",
    "outcome",
    "truncated",
    "first_token_ms",
    "latency_ms",
    "ip",
    "trace_id",
    "prompt_hash",
    "updated_at",
    "content",
    "usage",
    "tags",
    "other",
];

/// One value.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    Null,
    Bytes(&'a [u8; 16]),
    Time(UnixMillis),
    Text(&'a str),
    Number(i64),
    Flag(bool),
}

/// The values of a row in the order of [`COLUMNS`], which is the table's own.
pub fn cells<'a>(exchange: &'a ExchangeColumns, message: &'a MessageColumns) -> [Cell<'a>; 38] {
    let text = |text: &'a Option<String>| text.as_deref().map_or(Cell::Null, Cell::Text);
    let number = |number: Option<i64>| number.map_or(Cell::Null, Cell::Number);
    let hash = |hash: &'a Option<[u8; 16]>| hash.as_ref().map_or(Cell::Null, Cell::Bytes);
    let usage = &message.usage;
    [
        Cell::Bytes(exchange.conversation_id.as_bytes()),
        Cell::Time(exchange.created_at),
        Cell::Bytes(message.id.as_bytes()),
        Cell::Bytes(exchange.exchange_id.as_bytes()),
        message
            .parent_id
            .as_ref()
            .map_or(Cell::Null, |id| Cell::Bytes(id.as_bytes())),
        hash(&message.chain_hash),
        text(&message.message_id),
        Cell::Text(&exchange.tenant),
        Cell::Text(&exchange.user_id),
        text(&exchange.token_id),
        text(&exchange.channel_id),
        Cell::Text(message.role.as_str()),
        Cell::Number(message.choice_index),
        text(&exchange.request_model),
        text(&exchange.model_name),
        text(&exchange.provider),
        number(exchange.status),
        number(usage.prompt_tokens),
        number(usage.completion_tokens),
        number(usage.total_tokens),
        number(usage.cached_tokens),
        number(usage.cache_write_tokens),
        number(usage.reasoning_tokens),
        number(message.token_count),
        Cell::Flag(exchange.is_stream),
        text(&message.finish_reason),
        Cell::Text(exchange.outcome.as_str()),
        Cell::Text(exchange.truncated.as_str()),
        number(exchange.first_token_ms),
        number(exchange.latency_ms),
        text(&exchange.ip),
        text(&exchange.trace_id),
        hash(&message.prompt_hash),
        Cell::Time(message.updated_at),
        Cell::Text(&message.content),
        text(&usage.raw),
        text(&exchange.tags),
        text(&message.other),
    ]
}
