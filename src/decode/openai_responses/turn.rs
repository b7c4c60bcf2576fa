//! The items of one answer of the model, gathered into one message.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    part::{Part, Parts},
    wire::{self, Item},
};
use crate::{
    conversation::{Message, Role, ToolCall},
    decode::{
        json::{self, Field},
        limits::MAX_TOOL_CALLS,
        media,
        openai_chat::message,
    },
};

/// The items of one answer so far, whether it is given or sent back.
///
/// `other["output"]` holds the items in their order, without what stands in the message already: the text,
/// the thinking, and the name and arguments of functions. What the provider's own tools did stands there
/// whole. It is left out where no item says more than its kind. `other["annotations"]` holds the citations
/// of all texts.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) parts: message::Parts,
    pub(super) calls: Vec<ToolCall>,
    output: Vec<Value>,
    pub(super) annotations: Vec<Value>,
    /// The parts of messages of which some are no text.
    content: Vec<Value>,
    has_more: bool,
    /// Something was one too many.
    pub(super) is_cut: bool,
}

impl Turn {
    pub(super) fn is_empty(&self) -> bool {
        self.output.is_empty()
    }

    pub(super) fn add(&mut self, mut item: Item<'_>) {
        let parts = match item.kind() {
            "message" | "reasoning" => item.parts.take(),
            _ => None,
        };
        self.is_cut |= parts.as_ref().is_some_and(|parts| parts.is_cut);
        let besides = match item.kind() {
            "message" => {
                self.say(std::mem::take(&mut item.content), parts);
                item.besides()
            }
            "reasoning" => {
                let reasoned = self.think(std::mem::take(&mut item.content), parts);
                let summary = item.summary.map(json::parsed);
                let mut besides = item.besides();
                match summary {
                    Some(summary) if !reasoned => self.parts.reasoning.extend(texts(&summary)),
                    Some(Value::Array(summary)) if !summary.is_empty() => {
                        besides.insert("summary".to_owned(), summary.into());
                    }
                    _ => {}
                }
                besides
            }
            "function_call" | "custom_tool_call" => self.call(item),
            _ => {
                self.has_more = true;
                item.whole()
            }
        };
        // Its kind alone says nothing.
        self.has_more |= besides.len() > 1;
        self.output.push(Value::Object(besides));
    }

    fn say(&mut self, content: Field<'_>, parts: Option<Parts<'_>>) {
        if let Field::Text(text) = content {
            self.parts.text.push_str(&text);
        }
        let Some(parts) = parts else {
            return;
        };
        let mut is_text = true;
        for part in &parts.items {
            is_text &= part.say(&mut self.parts, "");
            self.annotations.append(&mut part.annotations());
        }
        if !is_text {
            self.content
                .extend(parts.items.into_iter().map(Part::whole));
        }
    }

    /// Adds the text of a thought; false where there is none.
    fn think(&mut self, content: Field<'_>, parts: Option<Parts<'_>>) -> bool {
        let reasoning = &mut self.parts.reasoning;
        let before = reasoning.len();
        if let Field::Text(text) = content {
            reasoning.push_str(&text);
        }
        for part in parts.iter().flat_map(|parts| &parts.items) {
            reasoning.push_str(part.text());
        }
        reasoning.len() > before
    }

    fn call(&mut self, mut item: Item<'_>) -> Map<String, Value> {
        if self.calls.len() >= MAX_TOOL_CALLS {
            self.is_cut = true;
            return Map::new();
        }
        let id = std::mem::take(&mut item.call_id);
        let name = std::mem::take(&mut item.name);
        self.calls.push(ToolCall {
            id: id.text().map(Cow::into_owned),
            kind: item.kind().to_owned(),
            name: name.text().map(Cow::into_owned).unwrap_or_default(),
            arguments: wire::text(item.arguments.or(item.input)),
        });
        item.besides()
    }

    pub(super) fn finish(self, keep_media: bool) -> Message {
        let Self {
            parts,
            calls,
            mut output,
            annotations,
            content,
            has_more,
            is_cut: _,
        } = self;
        let message::Parts {
            text,
            reasoning,
            refusal,
        } = parts;
        let mut message = Message::new(Role::Assistant, text);
        if !content.is_empty() {
            message.other.insert("content".to_owned(), content.into());
        }
        if !annotations.is_empty() {
            let annotations = annotations.into();
            message.other.insert("annotations".to_owned(), annotations);
        }
        if has_more {
            if !keep_media {
                output.iter_mut().for_each(stub_pictures);
            }
            message.other.insert("output".to_owned(), output.into());
        }
        if !keep_media {
            media::stub_members(&mut message.other);
        }
        message.tool_calls = calls;
        message.reasoning = Some(reasoning).filter(|text| !text.is_empty());
        message.refusal = Some(refusal).filter(|text| !text.is_empty());
        message
    }
}

/// A picture that was made is bare base64.
fn stub_pictures(item: &mut Value) {
    if item.get("type").and_then(Value::as_str) == Some("image_generation_call") {
        let format = item.get("output_format").and_then(Value::as_str);
        let media_type = format!("image/{}", format.unwrap_or("png"));
        media::stub_bare(item.get_mut("result"), &media_type);
    }
}

/// The texts of a list of parts.
fn texts(parts: &Value) -> impl Iterator<Item = &str> {
    let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().filter_map(|part| {
        let text = part.as_str().or_else(|| part.get("text")?.as_str());
        text.filter(|text| !text.is_empty())
    })
}
