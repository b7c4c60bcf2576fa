//! The shapes in which conversations and messages are answered.

use std::{cell::RefCell, collections::BTreeMap};

use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::{
    conversation::Usage,
    history::readable::{readable, readable_json},
    store::{
        Conversation, ExchangeColumns, MessageColumns, Page, Place, StoredMessage, UnixMillis,
    },
};

/// A page of conversations, and where the next begins.
#[derive(Debug, Serialize)]
pub(super) struct ConversationList {
    data: Vec<ConversationJson>,
    has_more: bool,
    next: Option<String>,
}

impl From<Page<Conversation>> for ConversationList {
    fn from(page: Page<Conversation>) -> Self {
        let last = page.data.last().filter(|_| page.has_more);
        Self {
            next: last.map(|last| Place::of(last).to_string()),
            data: page.data.into_iter().map(Into::into).collect(),
            has_more: page.has_more,
        }
    }
}

/// A page of messages, which go as they are written, and where the one before it ends.
#[derive(Debug, Serialize)]
pub(super) struct MessageList {
    #[serde(serialize_with = "one_by_one")]
    data: RefCell<Vec<StoredMessage>>,
    has_more: bool,
    next: Option<String>,
}

impl MessageList {
    pub(super) fn new(messages: Vec<StoredMessage>, next: Option<String>) -> Self {
        Self {
            data: RefCell::new(messages),
            has_more: next.is_some(),
            next,
        }
    }
}

/// A conversation with its latest messages, which go as they are written.
#[derive(Debug, Serialize)]
pub(super) struct Transcript {
    #[serde(flatten)]
    conversation: ConversationJson,
    #[serde(serialize_with = "one_by_one")]
    messages: RefCell<Vec<StoredMessage>>,
    has_more: bool,
}

impl Transcript {
    pub(super) fn new(
        conversation: Conversation,
        messages: Vec<StoredMessage>,
        has_more: bool,
    ) -> Self {
        Self {
            conversation: conversation.into(),
            messages: RefCell::new(messages),
            has_more,
        }
    }
}

/// Holds no message both as a row and as JSON.
fn one_by_one<S: Serializer>(
    rows: &RefCell<Vec<StoredMessage>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let rows = rows.take();
    let mut shown = serializer.serialize_seq(Some(rows.len()))?;
    for row in rows {
        shown.serialize_element(&MessageJson::from(row))?;
    }
    shown.end()
}

#[derive(Debug, Serialize)]
pub(super) struct ConversationJson {
    id: String,
    pub(super) session_id: String,
    title: Option<String>,
    user_identifier: String,
    created_at: String,
    updated_at: String,
    message_count: i64,
    session_source: String,
}

impl From<Conversation> for ConversationJson {
    fn from(conversation: Conversation) -> Self {
        let Conversation {
            id,
            tenant: _,
            session_id,
            user_identifier,
            title,
            session_source,
            created_at,
            updated_at,
            message_count,
            last_day: _,
        } = conversation;
        Self {
            id: id.to_string(),
            session_id: readable(session_id),
            title: title.map(readable),
            user_identifier: readable(user_identifier),
            created_at: rfc3339(created_at),
            updated_at: rfc3339(updated_at),
            message_count,
            session_source: readable(session_source),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct MessageJson {
    id: String,
    conversation_id: String,
    message_id: Option<String>,
    parent_id: Option<String>,
    exchange_id: String,
    choice_index: i64,
    role: String,
    content: String,
    request_model: Option<String>,
    model_name: Option<String>,
    provider: Option<String>,
    status: Option<i64>,
    token_count: Option<i64>,
    timestamp: String,
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    reasoning_tokens: Option<i64>,
    usage: Option<Box<RawValue>>,
    is_stream: bool,
    finish_reason: Option<String>,
    outcome: &'static str,
    truncated: &'static str,
    first_token_ms: Option<i64>,
    latency_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Box<RawValue>>,
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

/// RFC 3339 in UTC with milliseconds.
pub(super) fn rfc3339(at: UnixMillis) -> String {
    let nanos = i128::from(at) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_736_899_200_007), "2025-01-15T00:00:00.007Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }
}
