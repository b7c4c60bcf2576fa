//! What of a message tells it from another, whatever spelling a client gives it from call to call.

use std::borrow::Cow;

use blake3::{Hash, keyed_hash};
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

/// The digest of a message.
pub(crate) fn digest(key: &Key, message: &Message) -> Digest {
    let mut text = Vec::with_capacity(message.content.len() + 64);
    write(&mut text, message);
    hashed(key, &text)
}

/// The digest of the message that this was [written](write) of.
pub(super) fn hashed(key: &Key, text: &[u8]) -> Digest {
    *keyed_hash(key, text).as_bytes()
}

/// Writes what tells a message from another: its role, the name of who speaks, text, tool calls, tool
/// results and media. Reasoning, which most clients do not send back, is no part of it, nor is white
/// space around the text, nor are the reminders that agents put into it.
pub(super) fn write(out: &mut Vec<u8>, message: &Message) {
    let spoken = match message.role {
        Role::User | Role::Tool => spoken(&message.content),
        _ => Cow::Borrowed(message.content.as_str()),
    };
    let text = match (spoken.trim(), &message.refusal) {
        ("", Some(refusal)) => refusal.trim(),
        ("", None) => message.content.trim(),
        (text, _) => text,
    };
    put(out, message.role.as_str());
    put(out, text);
    put(out, message.tool_call_id.as_deref().unwrap_or(""));
    for call in &message.tool_calls {
        put_call(out, call);
    }
    // A client gives the model's answer a name that the model did not.
    if let Some(name) = message.other.get("name").and_then(Value::as_str)
        && message.role != Role::Assistant
    {
        put(out, "name");
        put(out, name);
    }
    // The whole list of parts stands there where some of them are no text.
    if let Some(parts) = message.other.get("content").and_then(Value::as_array) {
        for part in parts.iter().filter(|part| !is_text(part)) {
            put_value(out, part);
        }
    }
    if let Some(raw) = message.other.get("raw") {
        put_value(out, raw);
    }
}

/// The hash of a message that follows `parent`; that of `parent` where the message is but a reminder.
pub(crate) fn chained(key: &Key, parent: &ChainHash, message: &Digest) -> ChainHash {
    if *message == ASIDE {
        return *parent;
    }
    let mut both = [0; 48];
    both[..16].copy_from_slice(parent);
    both[16..].copy_from_slice(message);
    short(&keyed_hash(key, &both))
}

/// The hash that every chain of one user of one tenant begins with; of nobody's by name, every chain
/// of one conversation.
pub(crate) fn scope(
    key: &Key,
    tenant: &str,
    named_user: Option<&str>,
    conversation: Id,
) -> ChainHash {
    let mut text = Vec::new();
    put(&mut text, "scope");
    put(&mut text, tenant);
    match named_user {
        Some(user) => put(&mut text, user),
        None => text.extend_from_slice(conversation.as_bytes()),
    }
    short(&keyed_hash(key, &text))
}

/// The same for those who have no name and send the same hint from one address.
pub(crate) fn hinted(key: &Key, tenant: &str, hint: &Hint) -> ChainHash {
    let Hint {
        name,
        value,
        address,
    } = hint;
    let mut text = Vec::new();
    for part in ["hinted", tenant, name, value, address] {
        put(&mut text, part);
    }
    short(&keyed_hash(key, &text))
}

/// The hash of what the application tells the model before anybody speaks.
pub(crate) fn prompt(key: &Key, instructions: &[Message], tools: Option<&str>) -> ChainHash {
    let mut text = Vec::new();
    put(&mut text, "prompt");
    for message in instructions {
        text.extend_from_slice(&digest(key, message));
    }
    if let Some(tools) = tools {
        put_json(&mut text, tools);
    }
    short(&keyed_hash(key, &text))
}

/// The hash of a response to whoever this scope is, by the provider's id of it.
pub(crate) fn response(key: &Key, scope: &ChainHash, id: &str) -> ChainHash {
    let mut text = Vec::new();
    put(&mut text, "response");
    text.extend_from_slice(scope);
    put(&mut text, id);
    short(&keyed_hash(key, &text))
}

/// The hash that says that a prompt stands among a conversation's rows of a day.
pub(crate) fn mark(key: &Key, conversation: &[u8; 16], day: &str, prompt: &ChainHash) -> ChainHash {
    let mut text = Vec::new();
    put(&mut text, "mark");
    put(&mut text, day);
    text.extend_from_slice(conversation);
    text.extend_from_slice(prompt);
    short(&keyed_hash(key, &text))
}

/// As much of a hash as is stored.
fn short(hash: &Hash) -> ChainHash {
    let mut short = ChainHash::default();
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_call(out: &mut Vec<u8>, call: &ToolCall) {
    put(out, "call");
    put(out, call.id.as_deref().unwrap_or(""));
    put(out, &call.name);
    put_json(out, &call.arguments);
}

/// JSON text by what it says, any other text as it is.
fn put_json(out: &mut Vec<u8>, text: &str) {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => put_value(out, &value),
        Err(_) => put(out, text.trim()),
    }
}

/// A value without null members and markers, its members in the order of their names.
fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members
                .iter()
                .filter(|(name, value)| !value.is_null() && !MARKERS.contains(&name.as_str()))
                .collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            put(out, "{");
            for (name, value) in members {
                put(out, name);
                put_value(out, value);
            }
            put(out, "}");
        }
        Value::Array(elements) => {
            put(out, "[");
            for element in elements {
                put_value(out, element);
            }
            put(out, "]");
        }
        Value::String(text) => {
            put(out, "\"");
            put(out, text);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => put(out, &value.to_string()),
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
