//! One block of a stream, growing delta by delta.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{begun::Begun, known::Grown, message::told, wire};
use crate::{
    conversation::ToolCall,
    decode::{
        blocks::Blocks,
        estimate,
        json::{self, Field, Kept},
        push_piece,
    },
};

/// One block so far.
#[derive(Debug, Default)]
pub(super) struct Growing {
    kind: String,
    /// What the block began with, but for what grows.
    members: BTreeMap<String, Kept>,
    may_be_media: bool,
    /// Text, thinking, a summary, or the source of an input, by the kind of the block.
    text: String,
    signature: String,
    citations: Vec<Value>,
}

impl Growing {
    /// The block that an event begins; to `held` is added what it takes in memory.
    pub(super) fn begin(mut block: Begun<'_>, held: &mut usize) -> Self {
        *held += estimate::OBJECT_BYTES + block.takes();
        let may_be_media = block.may_be_media();
        let kind = block.kind().to_owned();
        let text = match kind.as_str() {
            "text" => block.take_text(),
            _ => String::new(),
        };
        Self::of(kind, text, block.into_members(), may_be_media)
    }

    /// A block that was sent as a whole.
    pub(super) fn whole(mut members: Map<String, Value>, held: &mut usize) -> Self {
        members.retain(|_, value| !value.is_null());
        *held += estimate::OBJECT_BYTES + members.values().map(estimate::value).sum::<usize>();
        let mut take = |key: &str| match members.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let kind = take("type");
        let text = match kind.as_str() {
            "text" => take("text"),
            _ => String::new(),
        };
        let members = members.into_iter();
        let members = members.map(|(key, value)| (key, value.into()));
        Self::of(kind, text, members.collect(), true)
    }

    fn of(
        kind: String,
        text: String,
        mut members: BTreeMap<String, Kept>,
        may_be_media: bool,
    ) -> Self {
        let mut take = |key: &str| match members.remove(key) {
            Some(Kept::Value(Value::String(text))) => text,
            _ => String::new(),
        };
        let text = match kind.as_str() {
            "thinking" => take("thinking"),
            _ => text,
        };
        let signature = take("signature");
        let citations = match members.remove("citations").map(Kept::into_value) {
            Some(Value::Array(citations)) => citations,
            _ => Vec::new(),
        };
        Self {
            kind,
            members,
            may_be_media,
            text,
            signature,
            citations,
        }
    }

    /// Adds to what grows.
    pub(super) fn go_on(&mut self, grown: Grown, text: &str, held: &mut usize) {
        *held += estimate::text(text);
        push_piece(&mut self.text, text);
        if self.kind.is_empty() {
            self.kind.push_str(grown.kind());
        }
    }

    /// Adds a delta, and to `held` what that takes in memory.
    pub(super) fn grow(&mut self, delta: &wire::Delta<'_>, held: &mut usize) {
        let grown = [
            (Grown::Text, &delta.text),
            (Grown::Thinking, &delta.thinking),
            (Grown::Input, &delta.partial_json),
            (Grown::Summary, &delta.content),
        ];
        for (grown, field) in grown {
            if let Field::Text(text) = field {
                self.go_on(grown, text, held);
            }
        }
        if let Field::Text(signature) = &delta.signature {
            *held += estimate::text(signature);
            push_piece(&mut self.signature, signature);
        }
        if let Some(citation) = delta.citation {
            *held += estimate::member("", citation);
            self.citations.push(json::parsed(citation));
        }
        for (key, source) in &delta.rest {
            *held += estimate::member(key, *source);
            self.may_be_media = true;
            self.members
                .insert(key.as_ref().to_owned(), json::parsed(*source).into());
        }
    }

    /// Adds the whole block to the others; false where there is no room for it.
    pub(super) fn finish(self, gathered: &mut Blocks) -> bool {
        let Self {
            kind,
            mut members,
            may_be_media,
            text,
            signature,
            citations,
        } = self;
        let is_told = !citations.is_empty() || !signature.is_empty();
        if !citations.is_empty() {
            let citations = Value::from(citations);
            members.insert("citations".to_owned(), citations.into());
        }
        if !signature.is_empty() {
            let signature = Value::from(signature);
            members.insert("signature".to_owned(), signature.into());
        }
        match kind.as_str() {
            "text" => gathered.text(text, told(json::values(members))),
            "thinking" => gathered.reasoning(text, told(json::values(members))),
            "tool_use" => {
                let mut take = |key: &str| match members.remove(key) {
                    Some(Kept::Value(Value::String(text))) => {
                        Some(text).filter(|text| !text.is_empty())
                    }
                    _ => None,
                };
                let (id, name) = (take("id"), take("name").unwrap_or_default());
                let input = members.remove("input");
                let call = ToolCall {
                    id,
                    kind,
                    name,
                    arguments: match (text.is_empty(), input.map(Kept::into_value)) {
                        (false, _) => text,
                        // The source of what cannot be read, or a text that stands for itself.
                        (true, Some(Value::String(input))) => input,
                        (true, Some(input)) => input.to_string(),
                        (true, None) => "{}".to_owned(),
                    },
                };
                return gathered.call(call, json::values(members));
            }
            _ => {
                // What came in pieces was not looked at for media.
                let is_whole = !may_be_media && !is_told && text.is_empty();
                if !text.is_empty() {
                    let (key, value) = match kind.as_str() {
                        "compaction" => ("content", text.into()),
                        _ => ("input", json::value(&text)),
                    };
                    members.insert(key.to_owned(), value.into());
                }
                members.insert("type".to_owned(), Value::from(kind).into());
                match is_whole {
                    true => gathered.sent(Kept::Members(members)),
                    false => gathered.other(Value::Object(json::values(members))),
                }
            }
        }
        true
    }
}
