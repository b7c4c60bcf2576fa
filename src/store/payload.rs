//! An exchange that cannot be written, as JSON text that every database can hold.

use serde_json::{Value, json};

use super::ExchangeRows;

/// What a rejected exchange may take: enough to see what it was, and no second archive.
const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// The exchange as a JSON object of at most 1 MiB; longer texts in it are cut. `U+0000` is escaped.
pub(super) fn payload(rows: &ExchangeRows) -> String {
    let mut max_text_bytes = MAX_PAYLOAD_BYTES;
    loop {
        let payload = render(rows, max_text_bytes).to_string();
        if payload.len() <= MAX_PAYLOAD_BYTES {
            return payload;
        }
        if max_text_bytes == 0 {
            return cut(&payload, MAX_PAYLOAD_BYTES).to_owned();
        }
        max_text_bytes /= 8;
    }
}

fn cut(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn render(rows: &ExchangeRows, max_text_bytes: usize) -> Value {
    let text = |text: &str| cut(text, max_text_bytes).to_owned();
    let optional_text = |value: &Option<String>| value.as_deref().map(text);
    let conversation = &rows.conversation;
    let exchange = &rows.exchange;
    let messages = rows.messages.iter().map(|message| {
        json!({
            "id": message.id.to_string(),
            "parent_id": message.parent_id.map(|id| id.to_string()),
            "role": message.role.as_str(),
            "choice_index": message.choice_index,
            "content": text(&message.content),
            "usage": optional_text(&message.usage.raw),
            "other": optional_text(&message.other),
        })
    });
    let error = rows.error.as_ref().map(|error| {
        json!({
            "id": error.id.to_string(),
            "parent_id": error.parent_id.map(|id| id.to_string()),
            "role": error.role.as_str(),
            "error_code": error.error_code,
            "error_message": text(&error.error_message),
            "content": text(&error.content),
            "other": optional_text(&error.other),
        })
    });
    json!({
        "session_id": conversation.session_id,
        "title": conversation.title,
        "tenant": exchange.tenant,
        "user_id": exchange.user_id,
        "request_model": exchange.request_model,
        "model_name": exchange.model_name,
        "provider": exchange.provider,
        "status": exchange.status,
        "outcome": exchange.outcome.as_str(),
        "truncated": exchange.truncated.as_str(),
        "messages": messages.collect::<Vec<_>>(),
        "error": error,
    })
}
