//! A whole message, from either direction.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::wire;
use crate::{
    conversation::{Message, Role, ToolCall},
    decode::{
        json::{self, Field},
        media,
    },
    outcome::Truncated,
};

/// How messages of one direction are read.
#[derive(Clone, Copy)]
pub(in crate::decode) struct Reader {
    /// The role of a message that states none.
    pub(in crate::decode) role: fn() -> Role,
    /// What stands between text parts.
    pub(in crate::decode) joint: &'static str,
    pub(in crate::decode) keep_media: bool,
}

impl Reader {
    /// Turns a message of the wire into one of the domain. What has no place of its own goes to `other` by
    /// its name on the wire; `other["content"]` is the whole list of parts where some are no text, and
    /// `other["tool_calls"]` holds what calls carry besides their id, name and arguments, each with the
    /// `index` of its call.
    pub(in crate::decode) fn read(
        self,
        wire: wire::Message<'_>,
        truncated: &mut Truncated,
    ) -> Message {
        let role = wire
            .role
            .text()
            .map_or_else(self.role, |role| Role::from(role.as_ref()));
        let mut message = Message::new(role, "");
        let other = &mut message.other;
        other.extend(
            wire.rest
                .into_iter()
                .map(|(key, source)| (key.into_owned(), json::parsed(source))),
        );

        let mut parts = Parts::default();
        match wire.content {
            Field::Null => {}
            Field::Text(text) => parts.text = text.into_owned(),
            Field::Other(Value::Array(values)) => {
                if values
                    .iter()
                    .fold(false, |media, part| !parts.add(part, self.joint) | media)
                {
                    other.insert("content".to_owned(), Value::Array(values));
                }
            }
            Field::Other(value) => drop(other.insert("content".to_owned(), value)),
        }
        let mut function_call = None;
        if let Some(rare) = wire.rare {
            let stated = [
                ("reasoning_content", rare.reasoning_content),
                ("reasoning", rare.reasoning),
                ("thinking", rare.thinking),
            ];
            for (name, field) in stated {
                match field {
                    Field::Text(text) if parts.reasoning.is_empty() => {
                        parts.reasoning = text.into_owned()
                    }
                    Field::Text(text) if !text.is_empty() && text != parts.reasoning => {
                        other.insert(name.to_owned(), text.into_owned().into());
                    }
                    Field::Other(value) => drop(other.insert(name.to_owned(), value)),
                    Field::Text(_) | Field::Null => {}
                }
            }
            match rare.refusal {
                Field::Text(text) => parts.refusal.push_str(&text),
                Field::Other(value) => drop(other.insert("refusal".to_owned(), value)),
                Field::Null => {}
            }
            message.tool_call_id = rare.tool_call_id.text().map(Cow::into_owned);
            function_call = rare.function_call;
        }
        if !self.keep_media {
            media::stub_members(other);
            if let Some(stub) = media::stub_url(&parts.text) {
                parts.text = stub;
            }
        }
        let mut extras = Vec::new();
        let mut is_cut = wire.is_cut;
        let calls = wire.tool_calls.map(|calls| {
            is_cut |= calls.is_cut;
            calls.items
        });
        if is_cut {
            *truncated = Truncated::Cap;
        }
        for (index, call) in calls.into_iter().flatten().enumerate() {
            let (call, rest) = whole_call(call);
            message.tool_calls.push(call);
            extras.extend(extra(index, rest));
        }
        if !extras.is_empty() {
            message
                .other
                .insert("tool_calls".to_owned(), Value::Array(extras));
        }
        if let Some(function) = function_call {
            message.tool_calls.push(legacy_call(function));
        }
        message.content = parts.text;
        message.reasoning = Some(parts.reasoning).filter(|text| !text.is_empty());
        message.refusal = Some(parts.refusal).filter(|text| !text.is_empty());
        message
    }
}

fn whole_call(mut call: wire::Call<'_>) -> (ToolCall, wire::Rest<'_>) {
    let function = call.called();
    let mut arguments = String::new();
    function.append_arguments(&mut arguments);
    let whole = ToolCall {
        id: call.id.text().map(Cow::into_owned),
        kind: call
            .kind
            .text()
            .map_or_else(|| "function".to_owned(), Cow::into_owned),
        name: function
            .name
            .text()
            .map(Cow::into_owned)
            .unwrap_or_default(),
        arguments,
    };
    (whole, call.rest)
}

/// The deprecated `function_call`, by its own name as its kind.
fn legacy_call(function: wire::Function<'_>) -> ToolCall {
    let mut arguments = String::new();
    function.append_arguments(&mut arguments);
    ToolCall {
        id: None,
        kind: "function_call".to_owned(),
        name: function
            .name
            .text()
            .map(Cow::into_owned)
            .unwrap_or_default(),
        arguments,
    }
}

fn extra(index: usize, rest: wire::Rest<'_>) -> Option<Value> {
    if rest.is_empty() {
        return None;
    }
    let mut members: Map<String, Value> = rest
        .into_iter()
        .map(|(key, source)| (key.into_owned(), json::parsed(source)))
        .collect();
    members.insert("index".to_owned(), index.into());
    Some(Value::Object(members))
}

/// A list of content parts, taken apart.
#[derive(Default)]
pub(in crate::decode) struct Parts {
    pub(in crate::decode) text: String,
    pub(in crate::decode) reasoning: String,
    pub(in crate::decode) refusal: String,
}

impl Parts {
    /// Adds the text of a part; false where the part is no text.
    pub(in crate::decode) fn add(&mut self, part: &Value, joint: &str) -> bool {
        let member = |name| part.get(name).and_then(Value::as_str);
        let text = part.as_str().or_else(|| member("text"));
        match (member("type"), text) {
            (Some("text" | "input_text" | "output_text") | None, Some(text)) => {
                if !self.text.is_empty() {
                    self.text.push_str(joint);
                }
                self.text.push_str(text);
                true
            }
            (Some("thinking"), _) => match part.get("thinking") {
                Some(Value::String(thinking)) => {
                    self.reasoning.push_str(thinking);
                    true
                }
                Some(Value::Array(chunks)) => {
                    let texts = chunks
                        .iter()
                        .filter_map(|chunk| chunk.get("text").and_then(Value::as_str));
                    self.reasoning.extend(texts);
                    true
                }
                _ => false,
            },
            (Some("refusal"), _) => match member("refusal") {
                Some(refusal) => {
                    self.refusal.push_str(refusal);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }
}
