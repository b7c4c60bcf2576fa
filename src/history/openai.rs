//! Messages in the shape in which they are sent to a model again.

use serde_json::{Map, Value};

use super::readable::{readable, readable_json};
use crate::{
    conversation::Role,
    store::{MessageColumns, StoredMessage},
};

/// The messages as a chat completion takes them, in order. A page that begins amid the answers of
/// tools leaves these out, since what asked for them is not there.
pub(crate) fn messages(rows: Vec<StoredMessage>, begins_amid: bool) -> Vec<Value> {
    let is_orphan = |row: &StoredMessage| begins_amid && row.message.role == Role::Tool;
    let rows = rows.into_iter().skip_while(is_orphan);
    rows.filter_map(|row| message(row.message)).collect()
}

/// The message as a chat completion takes it; `None` where it says nothing, or is another answer to
/// what the first choice answers.
pub(crate) fn message(row: MessageColumns) -> Option<Value> {
    let MessageColumns {
        role,
        content,
        other,
        choice_index,
        ..
    } = row;
    if choice_index != 0 {
        return None;
    }
    let mut other: Map<String, Value> = other
        .and_then(|text| serde_json::from_str(&readable_json(text)).ok())
        .unwrap_or_default();
    let mut message = Map::new();
    let content = readable(content);
    message.insert("role".to_owned(), readable(role.as_str().to_owned()).into());
    let calls = other.remove("tool_calls").map(calls);
    let calls = calls.filter(|_| role == Role::Assistant);
    let has_calls = calls.is_some();
    let says_nothing = content.is_empty() && !has_calls;
    if says_nothing && matches!(role, Role::System | Role::Developer) {
        return None;
    }
    let content = match content {
        content if content.is_empty() && has_calls => Value::Null,
        content => content.into(),
    };
    message.insert("content".to_owned(), content);
    if let Some(calls) = calls {
        message.insert("tool_calls".to_owned(), calls);
    }
    let kept: &[&str] = match role {
        Role::Tool => &["tool_call_id", "name"],
        Role::Assistant => &["refusal", "name"],
        _ => &["name"],
    };
    for name in kept {
        if let Some(Value::String(text)) = other.remove(*name) {
            message.insert((*name).to_owned(), text.into());
        }
    }
    Some(message.into())
}

/// Calls with what OpenAI knows of them.
fn calls(calls: Value) -> Value {
    let Value::Array(calls) = calls else {
        return calls;
    };
    let known = calls.into_iter().map(|call| match call {
        Value::Object(mut call) => {
            call.retain(|name, _| matches!(name.as_str(), "id" | "type" | "function"));
            Value::Object(call)
        }
        call => call,
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(role: Role, content: &str, other: Option<Value>) -> StoredMessage {
        let mut row = StoredMessage::default();
        row.message.role = role;
        row.message.content = content.to_owned();
        row.message.other = other.map(|other| other.to_string());
        row
    }

    #[test]
    fn what_is_shown_can_be_sent_again() {
        let call = json!({ "id": "c", "type": "function",
            "function": { "name": "f", "arguments": "{}" } });
        let mut stored = call.clone();
        stored["index"] = 0.into();
        let mut rows = vec![
            row(
                Role::Tool,
                "whose?",
                Some(json!({ "tool_call_id": "before" })),
            ),
            row(Role::System, "", Some(json!({ "tools": [] }))),
            row(
                Role::User,
                "nul ␛00",
                Some(json!({ "name": "ada", "more": 1 })),
            ),
            row(
                Role::Assistant,
                "",
                Some(json!({ "tool_calls": [stored], "reasoning": "r" })),
            ),
            row(Role::Tool, "", Some(json!({ "tool_call_id": "c" }))),
        ];
        let mut choice = row(Role::Assistant, "the second choice", None);
        choice.message.choice_index = 1;
        rows.insert(4, choice);
        let expected = [
            json!({ "role": "user", "content": "nul \0", "name": "ada" }),
            json!({ "role": "assistant", "content": null, "tool_calls": [call] }),
            json!({ "role": "tool", "content": "", "tool_call_id": "c" }),
        ];
        assert_eq!(messages(rows.clone(), true), expected);
        assert_eq!(messages(rows, false).len(), 4);
    }
}
