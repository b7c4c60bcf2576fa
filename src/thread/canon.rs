//! What of a message tells it from another, whatever spelling a client gives it from call to call.

use std::borrow::Cow;

use blake3::Hasher;
use serde_json::Value;

use super::{
    Hint, Key,
    reminder::{ASIDE, spoken},
};
use crate::{
    conversation::{Message, Role, ToolCall},
    id::Id,
    store::ChainHash,
};

/// A message alone, as a keyed hash.
pub(crate) type Digest = [u8; 32];

/// Names that clients add to parts of a message and move from call to call.
const MARKERS: [&str; 2] = ["cache_control", "cachePoint"];

/// The digest of a message: its role, the name of who speaks, text, tool calls, tool results and media.
/// Reasoning, which most
/// clients do not send back, is no part of it, nor is white space around the text, nor are the
/// reminders that agents put into it.
pub(crate) fn digest(key: &Key, message: &Message) -> Digest {
    let mut hasher = Hasher::new_keyed(key);
    let spoken = match message.role {
        Role::User | Role::Tool => spoken(&message.content),
        _ => Cow::Borrowed(message.content.as_str()),
    };
    let text = match (spoken.trim(), &message.refusal) {
        ("", Some(refusal)) => refusal.trim(),
        ("", None) => message.content.trim(),
        (text, _) => text,
    };
    put(&mut hasher, message.role.as_str());
    put(&mut hasher, text);
    put(&mut hasher, message.tool_call_id.as_deref().unwrap_or(""));
    for call in &message.tool_calls {
        put_call(&mut hasher, call);
    }
    // A client gives the model's answer a name that the model did not.
    if let Some(name) = message.other.get("name").and_then(Value::as_str)
        && message.role != Role::Assistant
    {
        put(&mut hasher, "name");
        put(&mut hasher, name);
    }
    // The whole list of parts stands there where some of them are no text.
    if let Some(parts) = message.other.get("content").and_then(Value::as_array) {
        for part in parts.iter().filter(|part| !is_text(part)) {
            put_value(&mut hasher, part);
        }
    }
    if let Some(raw) = message.other.get("raw") {
        put_value(&mut hasher, raw);
    }
    *hasher.finalize().as_bytes()
}

/// The hash of a message that follows `parent`; that of `parent` where the message is but a reminder.
pub(crate) fn chained(key: &Key, parent: &ChainHash, message: &Digest) -> ChainHash {
    if *message == ASIDE {
        return *parent;
    }
    let mut hasher = Hasher::new_keyed(key);
    hasher.update(parent).update(message);
    short(&hasher)
}

/// The hash that every chain of one user of one tenant begins with; of nobody's by name, every chain
/// of one conversation.
pub(crate) fn scope(
    key: &Key,
    tenant: &str,
    named_user: Option<&str>,
    conversation: Id,
) -> ChainHash {
    let mut hasher = Hasher::new_keyed(key);
    put(&mut hasher, "scope");
    put(&mut hasher, tenant);
    match named_user {
        Some(user) => put(&mut hasher, user),
        None => drop(hasher.update(conversation.as_bytes())),
    }
    short(&hasher)
}

/// The same for those who have no name and send the same hint from one address.
pub(crate) fn hinted(key: &Key, tenant: &str, hint: &Hint) -> ChainHash {
    let Hint {
        name,
        value,
        address,
    } = hint;
    let mut hasher = Hasher::new_keyed(key);
    for part in ["hinted", tenant, name, value, address] {
        put(&mut hasher, part);
    }
    short(&hasher)
}

/// The hash of what the application tells the model before anybody speaks.
pub(crate) fn prompt(key: &Key, instructions: &[Message], tools: Option<&str>) -> ChainHash {
    let mut hasher = Hasher::new_keyed(key);
    put(&mut hasher, "prompt");
    for message in instructions {
        hasher.update(&digest(key, message));
    }
    if let Some(tools) = tools {
        put_json(&mut hasher, tools);
    }
    short(&hasher)
}

/// The hash of a response to whoever this scope is, by the provider's id of it.
pub(crate) fn response(key: &Key, scope: &ChainHash, id: &str) -> ChainHash {
    let mut hasher = Hasher::new_keyed(key);
    put(&mut hasher, "response");
    hasher.update(scope);
    put(&mut hasher, id);
    short(&hasher)
}

/// The hash that says that a prompt stands among a conversation's rows of a day.
pub(crate) fn mark(key: &Key, conversation: &[u8; 16], day: &str, prompt: &ChainHash) -> ChainHash {
    let mut hasher = Hasher::new_keyed(key);
    put(&mut hasher, "mark");
    put(&mut hasher, day);
    hasher.update(conversation).update(prompt);
    short(&hasher)
}

fn short(hasher: &Hasher) -> ChainHash {
    let mut hash = ChainHash::default();
    hasher.finalize_xof().fill(&mut hash);
    hash
}

fn put(hasher: &mut Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

fn put_call(hasher: &mut Hasher, call: &ToolCall) {
    put(hasher, "call");
    put(hasher, call.id.as_deref().unwrap_or(""));
    put(hasher, &call.name);
    put_json(hasher, &call.arguments);
}

/// JSON text by what it says, any other text as it is.
fn put_json(hasher: &mut Hasher, text: &str) {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => put_value(hasher, &value),
        Err(_) => put(hasher, text.trim()),
    }
}

/// A value without null members and markers, its members in the order of their names.
fn put_value(hasher: &mut Hasher, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .filter(|(name, value)| !value.is_null() && !MARKERS.contains(&name.as_str()))
                .collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            put(hasher, "{");
            for (name, value) in members {
                put(hasher, name);
                put_value(hasher, value);
            }
            put(hasher, "}");
        }
        Value::Array(elements) => {
            put(hasher, "[");
            for element in elements {
                put_value(hasher, element);
            }
            put(hasher, "]");
        }
        Value::String(text) => {
            put(hasher, "\"");
            put(hasher, text);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => put(hasher, &value.to_string()),
    }
}

/// Whether the text of the message has this part already.
fn is_text(part: &Value) -> bool {
    let kind = part.get("type").and_then(Value::as_str);
    matches!(
        kind,
        Some("text" | "input_text" | "output_text" | "refusal" | "thinking")
    ) || part.is_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: Key = [7; 32];

    fn said(content: &str) -> Message {
        Message::new(Role::User, content)
    }

    fn calling(id: &str, arguments: &str) -> Message {
        let mut message = Message::new(Role::Assistant, "");
        message.tool_calls = vec![ToolCall {
            id: Some(id.to_owned()),
            name: "look".to_owned(),
            arguments: arguments.to_owned(),
            ..ToolCall::default()
        }];
        message
    }

    fn showing(part: Value) -> Message {
        let mut message = said("what is this?");
        let text = json!({"type": "text", "text": "what is this?"});
        message.other.insert("content".into(), json!([text, part]));
        message
    }

    #[test]
    fn what_clients_change_from_call_to_call_changes_nothing() {
        let same = |a: &Message, b: &Message| assert_eq!(digest(&KEY, a), digest(&KEY, b));
        same(&said("hello"), &said("\n hello  "));
        let mut thinking = Message::new(Role::Assistant, "4");
        thinking.reasoning = Some("2 and 2".into());
        same(&thinking, &Message::new(Role::Assistant, "4"));
        same(
            &calling("1", r#"{"a":1,"b":[1,{"c":null}]}"#),
            &calling("1", "{ \"b\": [1, {}],\n \"a\": 1 }"),
        );
        same(
            &showing(json!({"type": "image", "source": "x", "cache_control": {"type": "e"}})),
            &showing(json!({"source": "x", "type": "image", "detail": null})),
        );
        let reminder = "<system-reminder>\nToday is Monday.\n</system-reminder>\n";
        same(&said(&format!("{reminder}\nhello")), &said("hello"));
        let named = named(Role::Assistant, "coder");
        same(&named, &Message::new(Role::Assistant, "hello"));
        let mut refused = Message::new(Role::Assistant, "");
        refused.refusal = Some("no".into());
        same(&refused, &Message::new(Role::Assistant, "no"));
    }

    fn named(role: Role, name: &str) -> Message {
        let mut message = Message::new(role, "hello");
        message.other.insert("name".into(), name.into());
        message
    }

    #[test]
    fn what_was_said_changes_the_digest() {
        let mut result = Message::new(Role::Tool, "5");
        result.tool_call_id = Some("1".into());
        let messages = [
            said(""),
            said("hello"),
            said("Hello"),
            said("hel lo"),
            named(Role::User, "ada"),
            named(Role::User, "bob"),
            said("<system-reminder>hello</system-reminder>"),
            Message::new(Role::Assistant, "hello"),
            Message::new(Role::Tool, "5"),
            result,
            calling("1", "{}"),
            calling("2", "{}"),
            calling("1", "{"),
            calling("1", r#"{"a":1}"#),
            calling("1", r#"{"a":"1"}"#),
            showing(json!({"type": "image", "source": "x"})),
            showing(json!({"type": "image", "source": "y"})),
        ];
        for (index, one) in messages.iter().enumerate() {
            for other in &messages[..index] {
                assert_ne!(digest(&KEY, one), digest(&KEY, other), "{one:?} {other:?}");
            }
            assert_ne!(digest(&KEY, one), digest(&[8; 32], one));
        }
    }

    #[test]
    fn the_parent_is_part_of_the_hash() {
        let (one, other) = (Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
        let scope = scope(&KEY, "", Some("ada"), one);
        let go_on = digest(&KEY, &said("continue"));
        let once = chained(&KEY, &scope, &go_on);
        assert_ne!(once, chained(&KEY, &once, &go_on));
        assert_eq!(scope, super::scope(&KEY, "", Some("ada"), other));
        assert_ne!(scope, super::scope(&KEY, "a", Some("da"), one));
        let unnamed = super::scope(&KEY, "", None, one);
        assert_ne!(scope, unnamed);
        assert_ne!(unnamed, super::scope(&KEY, "", None, other));
    }
}
