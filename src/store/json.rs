//! An exchange as JSON text.

use serde_json::{Map, Value, json};

use super::{ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation};
use crate::{conversation::Usage, escape::first_bytes, id::Id};

/// What a rejected exchange may take: enough to see what it was, and no second archive.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
const MAX_PAYLOAD_BYTES: usize = 1 << 20;

impl ExchangeRows {
    /// The exchange as a JSON object on one line, every column under its name.
    ///
    /// Times are milliseconds since 1970 UTC, hashes hexadecimal. `usage`, `tags` and `other` stay
    /// the JSON text that they are, in a string: they may hold `\u0000` and repeated keys.
    pub fn to_json(&self) -> String {
        render(self, usize::MAX).to_string()
    }

    /// The same in at most 1 MiB, for which long texts are cut.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(super) fn to_short_json(&self) -> String {
        let mut max_text_bytes = MAX_PAYLOAD_BYTES;
        loop {
            let text = render(self, max_text_bytes).to_string();
            if text.len() <= MAX_PAYLOAD_BYTES {
                return text;
            }
            if max_text_bytes == 0 {
                return first_bytes(&text, MAX_PAYLOAD_BYTES).to_owned();
            }
            max_text_bytes /= 8;
        }
    }
}

fn render(rows: &ExchangeRows, max_text_bytes: usize) -> Value {
    let ExchangeRows {
        conversation,
        exchange,
        messages,
        error,
        response,
        retold: _,
        span: _,
    } = rows;
    let mut object = exchange_object(exchange);
    object.insert("conversation".into(), conversation_object(conversation));
    let messages = messages.iter().map(|row| message(row, max_text_bytes));
    object.insert("messages".into(), messages.collect());
    let error = error.as_ref().map(|row| failure(row, max_text_bytes));
    object.insert("error".into(), error.into());
    if let Some(response) = response {
        object.insert("response_hash".into(), hex(response.hash).into());
    }
    object.into()
}

fn conversation_object(conversation: &NewConversation) -> Value {
    let NewConversation {
        id,
        tenant: _,
        session_id,
        user_identifier,
        title,
        session_source,
        created_at,
        sends_history,
        parent_conversation_id,
    } = conversation;
    json!({
        "id": id.to_string(),
        "session_id": session_id,
        "user_identifier": user_identifier,
        "title": title,
        "session_source": session_source,
        "created_at": created_at,
        "sends_history": sends_history,
        "parent_conversation_id": optional_id(*parent_conversation_id),
    })
}

fn exchange_object(exchange: &ExchangeColumns) -> Map<String, Value> {
    let ExchangeColumns {
        conversation_id,
        created_at,
        exchange_id,
        tenant,
        user_id,
        token_id,
        channel_id,
        request_model,
        model_name,
        provider,
        status,
        is_stream,
        outcome,
        truncated,
        first_token_ms,
        latency_ms,
        ip,
        trace_id,
        tags,
    } = exchange;
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("exchange_id", exchange_id.to_string().into());
    put("conversation_id", conversation_id.to_string().into());
    put("created_at", (*created_at).into());
    for (name, text) in [
        ("tenant", Some(tenant)),
        ("user_id", Some(user_id)),
        ("token_id", token_id.as_ref()),
        ("channel_id", channel_id.as_ref()),
        ("request_model", request_model.as_ref()),
        ("model_name", model_name.as_ref()),
        ("provider", provider.as_ref()),
        ("ip", ip.as_ref()),
        ("trace_id", trace_id.as_ref()),
        ("tags", tags.as_ref()),
    ] {
        put(name, text.map(String::as_str).into());
    }
    put("status", (*status).into());
    put("is_stream", (*is_stream).into());
    put("outcome", outcome.as_str().into());
    put("truncated", truncated.as_str().into());
    put("first_token_ms", (*first_token_ms).into());
    put("latency_ms", (*latency_ms).into());
    object
}

fn message(row: &MessageColumns, max_text_bytes: usize) -> Value {
    let MessageColumns {
        id,
        parent_id,
        chain_hash,
        message_id,
        role,
        choice_index,
        usage,
        token_count,
        finish_reason,
        prompt_hash,
        updated_at,
        content,
        other,
    } = row;
    let mut object = json!({
        "id": id.to_string(),
        "parent_id": optional_id(*parent_id),
        "chain_hash": chain_hash.map(hex),
        "message_id": message_id,
        "role": role.as_str(),
        "choice_index": choice_index,
        "token_count": token_count,
        "finish_reason": finish_reason,
        "prompt_hash": prompt_hash.map(hex),
        "updated_at": updated_at,
        "content": first_bytes(content, max_text_bytes),
        "other": optional_text(other.as_deref(), max_text_bytes),
    });
    add_usage(&mut object, usage, max_text_bytes);
    object
}

fn failure(row: &ErrorColumns, max_text_bytes: usize) -> Value {
    let ErrorColumns {
        id,
        parent_id,
        message_id,
        role,
        error_code,
        error_message,
        usage,
        content,
        other,
    } = row;
    let mut object = json!({
        "id": id.to_string(),
        "parent_id": optional_id(*parent_id),
        "message_id": message_id,
        "role": role.as_str(),
        "error_code": error_code,
        "error_message": first_bytes(error_message, max_text_bytes),
        "content": first_bytes(content, max_text_bytes),
        "other": optional_text(other.as_deref(), max_text_bytes),
    });
    add_usage(&mut object, usage, max_text_bytes);
    object
}

fn add_usage(object: &mut Value, usage: &Usage, max_text_bytes: usize) {
    let Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens,
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens,
        raw,
    } = usage;
    for (name, tokens) in [
        ("prompt_tokens", prompt_tokens),
        ("completion_tokens", completion_tokens),
        ("total_tokens", total_tokens),
        ("cached_tokens", cached_tokens),
        ("cache_write_tokens", cache_write_tokens),
        ("reasoning_tokens", reasoning_tokens),
    ] {
        object[name] = (*tokens).into();
    }
    object["usage"] = optional_text(raw.as_deref(), max_text_bytes).into();
}

fn optional_id(id: Option<Id>) -> Option<String> {
    id.map(|id| id.to_string())
}

fn optional_text(text: Option<&str>, max_bytes: usize) -> Option<&str> {
    text.map(|text| first_bytes(text, max_bytes))
}

fn hex(hash: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(hash))
}
