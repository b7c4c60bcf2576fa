//! A message as it is answered.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::rfc3339;
use crate::{
    conversation::Usage,
    history::readable::{readable, readable_json},
    store::{ExchangeColumns, MessageColumns, StoredMessage},
};

/// A message: one that was sent, or one of the choices that were answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::api) struct MessageJson {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "uuid")]
    conversation_id: String,
    #[schema(required)]
    message_id: Option<String>,
    #[schema(required, format = "uuid")]
    parent_id: Option<String>,
    #[schema(format = "uuid")]
    exchange_id: String,
    choice_index: i64,
    role: String,
    content: String,
    #[schema(required)]
    request_model: Option<String>,
    #[schema(required)]
    model_name: Option<String>,
    #[schema(required)]
    provider: Option<String>,
    #[schema(required)]
    status: Option<i64>,
    #[schema(required)]
    token_count: Option<i64>,
    #[schema(format = DateTime)]
    timestamp: String,
    #[schema(required)]
    prompt_tokens: Option<i64>,
    #[schema(required)]
    completion_tokens: Option<i64>,
    #[schema(required)]
    total_tokens: Option<i64>,
    #[schema(required)]
    cached_tokens: Option<i64>,
    #[schema(required)]
    cache_write_tokens: Option<i64>,
    #[schema(required)]
    reasoning_tokens: Option<i64>,
    /// What the provider said, as it was sent.
    #[schema(required, value_type = Value)]
    usage: Option<Box<RawValue>>,
    is_stream: bool,
    #[schema(required)]
    finish_reason: Option<String>,
    outcome: &'static str,
    truncated: &'static str,
    #[schema(required)]
    first_token_ms: Option<i64>,
    #[schema(required)]
    latency_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    tool_calls: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    tool_call_id: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    reasoning: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    refusal: Option<Box<RawValue>>,
    #[schema(value_type = Object)]
    other: BTreeMap<String, Box<RawValue>>,
}

impl From<StoredMessage> for MessageJson {
    fn from(stored: StoredMessage) -> Self {
        let StoredMessage { exchange, message } = stored;
        let ExchangeColumns {
            conversation_id,
            created_at,
            exchange_id,
            tenant: _,
            user_id: _,
            token_id: _,
            channel_id: _,
            request_model,
            model_name,
            provider,
            status,
            is_stream,
            outcome,
            truncated,
            first_token_ms,
            latency_ms,
            ip: _,
            trace_id: _,
            tags: _,
        } = exchange;
        let MessageColumns {
            id,
            parent_id,
            chain_hash: _,
            message_id,
            role,
            choice_index,
            usage,
            token_count,
            finish_reason,
            prompt_hash: _,
            updated_at: _,
            content,
            other,
        } = message;
        let Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            raw,
        } = usage;
        let mut other: BTreeMap<String, Box<RawValue>> = other
            .and_then(|text| serde_json::from_str(&readable_json(text)).ok())
            .unwrap_or_default();
        Self {
            id: id.to_string(),
            conversation_id: conversation_id.to_string(),
            message_id: message_id.map(readable),
            parent_id: parent_id.map(|id| id.to_string()),
            exchange_id: exchange_id.to_string(),
            choice_index,
            role: readable(role.as_str().to_owned()),
            content: readable(content),
            request_model: request_model.map(readable),
            model_name: model_name.map(readable),
            provider: provider.map(readable),
            status,
            token_count,
            timestamp: rfc3339(created_at),
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            usage: raw.and_then(|text| RawValue::from_string(readable_json(text)).ok()),
            is_stream,
            finish_reason: finish_reason.map(readable),
            outcome: outcome.as_str(),
            truncated: truncated.as_str(),
            first_token_ms,
            latency_ms,
            tool_calls: other.remove("tool_calls"),
            tool_call_id: other.remove("tool_call_id"),
            reasoning: other.remove("reasoning"),
            refusal: other.remove("refusal"),
            other,
        }
    }
}
