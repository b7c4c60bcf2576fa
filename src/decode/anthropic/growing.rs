//! One block of a stream, growing delta by delta.

use serde_json::{Map, Value};

use super::{message::told, wire};
use crate::{
    conversation::ToolCall,
    decode::{
        blocks::Blocks,
        estimate,
        json::{self, Field},
    },
};

/// One block so far.
#[derive(Debug, Default)]
pub(super) struct Growing {
    kind: String,
    /// What the block began with, but for what grows.
    members: Map<String, Value>,
    /// Text, thinking, a summary, or the source of an input, by the kind of the block.
    text: String,
    signature: String,
    citations: Vec<Value>,
}

impl Growing {
    /// The block that an event begins, and what it takes in memory.
    pub(super) fn begin(mut members: Map<String, Value>, held: &mut usize) -> Self {
        members.retain(|key, value| !value.is_null() && key != "cache_control");
        *held += estimate::OBJECT_BYTES + members.values().map(estimate::value).sum::<usize>();
        let mut take = |key: &str| match members.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let kind = take("type");
        let text = match kind.as_str() {
            "text" => take("text"),
            "thinking" => take("thinking"),
            _ => String::new(),
        };
        let signature = take("signature");
        let citations = match members.remove("citations") {
            Some(Value::Array(citations)) => citations,
            _ => Vec::new(),
        };
        Self {
            kind,
            members,
            text,
            signature,
            citations,
        }
    }

    /// Adds a delta, and to `held` what that takes in memory.
    pub(super) fn grow(&mut self, delta: &wire::Delta<'_>, held: &mut usize) {
        let grown = [
            ("text", &delta.text),
            ("thinking", &delta.thinking),
            ("tool_use", &delta.partial_json),
            ("compaction", &delta.content),
        ];
        for (kind, field) in grown {
            if let Field::Text(text) = field {
                *held += estimate::text(text);
                self.text.push_str(text);
                // Its beginning is missing.
                if self.kind.is_empty() {
                    self.kind.push_str(kind);
                }
            }
        }
        if let Field::Text(signature) = &delta.signature {
            *held += estimate::text(signature);
            self.signature.push_str(signature);
        }
        if let Some(citation) = delta.citation {
            *held += estimate::member("", citation.get());
            self.citations.push(json::parsed(citation));
        }
        for (key, source) in &delta.rest {
            *held += estimate::member(key, source.get());
            self.members
                .insert(key.as_ref().to_owned(), json::parsed(*source));
        }
    }

    /// Adds the whole block to the others; false where there is no room for it.
    pub(super) fn finish(self, gathered: &mut Blocks) -> bool {
        let Self {
            kind,
            mut members,
            text,
            signature,
            citations,
        } = self;
        if !citations.is_empty() {
            members.insert("citations".to_owned(), citations.into());
        }
        if !signature.is_empty() {
            members.insert("signature".to_owned(), signature.into());
        }
        match kind.as_str() {
            "text" => gathered.text(text, told(members)),
            "thinking" => gathered.reasoning(text, told(members)),
            "tool_use" => {
                let mut take = |key: &str| match members.remove(key) {
                    Some(Value::String(text)) => Some(text).filter(|text| !text.is_empty()),
                    _ => None,
                };
                let (id, name) = (take("id"), take("name").unwrap_or_default());
                let input = members.remove("input");
                let call = ToolCall {
                    id,
                    kind,
                    name,
                    arguments: match (text.is_empty(), input) {
                        (false, _) => text,
                        // The source of what cannot be read, or a text that stands for itself.
                        (true, Some(Value::String(input))) => input,
                        (true, Some(input)) => input.to_string(),
                        (true, None) => "{}".to_owned(),
                    },
                };
                return gathered.call(call, members);
            }
            _ => {
                if !text.is_empty() {
                    let (key, value) = match kind.as_str() {
                        "compaction" => ("content", text.into()),
                        _ => ("input", json::value(&text)),
                    };
                    members.insert(key.to_owned(), value);
                }
                members.insert("type".to_owned(), kind.into());
                gathered.other(Value::Object(members));
            }
        }
        true
    }
}
