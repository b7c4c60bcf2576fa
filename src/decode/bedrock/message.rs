//! Messages of either direction, made of blocks.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::wire::{self, Block, Content, Reasoning, ToolUse};
use crate::{
    conversation::{Message, Role, ToolCall},
    decode::{
        blocks::Blocks,
        json::{self as lenient, Field, List},
        limits::MAX_MESSAGES,
    },
    outcome::Truncated,
};

/// Reads the messages of a request.
pub(super) struct Reader<'t> {
    pub(super) keep_media: bool,
    pub(super) truncated: &'t mut Truncated,
    pub(super) messages: Vec<Message>,
}

impl Reader<'_> {
    /// One message; each tool result within becomes a message of its own.
    pub(super) fn message(&mut self, wire: wire::Message<'_>, role: Option<Role>) {
        let role = role.unwrap_or_else(|| speaker(&wire.role, Role::User));
        let before = self.messages.len();
        let mut gathered = Blocks::of(&role);
        if let Field::Text(text) = wire.text {
            gathered.text(text, Map::new());
        }
        if let Some(List { items, is_cut }) = wire.content {
            self.cut_if(is_cut);
            for mut block in items {
                if let Some(result) = block.tool_result.take() {
                    if !gathered.is_empty() {
                        let said = std::mem::replace(&mut gathered, Blocks::of(&role));
                        self.push(said.finish(role.clone(), self.keep_media));
                    }
                    let message = self.result(*result);
                    self.push(message);
                } else {
                    let whole = add(&mut gathered, block, &role);
                    self.cut_if(!whole);
                }
            }
        }
        if !gathered.is_empty() || self.messages.len() == before {
            self.push(gathered.finish(role, self.keep_media));
        }
        let mut more = wire::members(wire.rest);
        if let Some(last) = self.messages.get_mut(before..).and_then(<[_]>::last_mut) {
            last.other.append(&mut more);
        }
    }

    fn result(&mut self, result: ToolUse<'_>) -> Message {
        let (mut text, mut blocks) = (Field::Null, None::<Content<'_>>);
        if let Some(content) = result.content {
            lenient::source_text_or_list(content, &mut text, &mut blocks);
        }
        let mut gathered = Blocks::of(&Role::Tool);
        if let Field::Text(text) = text {
            gathered.text(text, Map::new());
        }
        if let Some(List { items, is_cut }) = blocks {
            self.cut_if(is_cut);
            for mut block in items {
                let is_json = |(key, _): &(Cow<'_, str>, _)| key == "json";
                match block.rest.iter().position(is_json) {
                    Some(at) => gathered.text(block.rest.swap_remove(at).1.get(), Map::new()),
                    None => drop(add(&mut gathered, block, &Role::Tool)),
                }
            }
        }
        let mut message = gathered.finish(Role::Tool, self.keep_media);
        message.tool_call_id = result.id.text().map(Cow::into_owned);
        message.other.extend(wire::members(result.rest));
        message
    }

    pub(super) fn cut_if(&mut self, is_cut: bool) {
        if is_cut {
            *self.truncated = Truncated::Cap;
        }
    }

    fn push(&mut self, message: Message) {
        let is_full = self.messages.len() >= MAX_MESSAGES;
        self.cut_if(is_full);
        if !is_full {
            self.messages.push(message);
        }
    }
}

pub(super) fn speaker(role: &Field<'_>, unstated: Role) -> Role {
    match role {
        Field::Text(role) if !role.is_empty() => Role::from(role.as_ref()),
        _ => unstated,
    }
}

/// Adds a block; false where something had to be left out.
pub(super) fn add(gathered: &mut Blocks, block: Block<'_>, role: &Role) -> bool {
    let mut more = wire::members(block.rest);
    if let Some(used) = block.tool_use {
        let call = ToolCall {
            id: used.id.text().map(Cow::into_owned),
            kind: "toolUse".to_owned(),
            name: used.name.text().map(Cow::into_owned).unwrap_or_default(),
            arguments: lenient::compact(used.input.map_or("{}", |input| input.get())).into_owned(),
        };
        more.extend(wire::members(used.rest));
        return gathered.call(call, more);
    }
    if let Some(reasoning) = block.reasoning {
        add_reasoning(gathered, *reasoning);
        return true;
    }
    if let Field::Text(text) = block.text {
        gathered.text(text, more);
        return true;
    }
    if let Some(Value::Object(mut guarded)) = more.remove("guardContent") {
        match guarded.get_mut("text").and_then(Value::as_object_mut) {
            Some(text) => {
                let said = text.remove("text");
                let said = said.as_ref().and_then(Value::as_str).unwrap_or_default();
                gathered.text(said, std::mem::take(text));
            }
            None => gathered.media(json!({ "guardContent": guarded })),
        }
    }
    if let Some(Value::Object(mut cited)) = more.remove("citationsContent") {
        let texts = cited.remove("content");
        let texts = texts.as_ref().and_then(Value::as_array);
        let texts = texts.into_iter().flatten();
        let text = texts.filter_map(|part| part.get("text").and_then(Value::as_str));
        gathered.text(text.collect::<String>(), cited);
    }
    if more.is_empty() {
        return true;
    }
    let is_media = ["image", "document", "video", "audio", "searchResult"]
        .iter()
        .any(|kind| more.contains_key(*kind));
    // What a user sends is said, whatever it is.
    if is_media || *role == Role::User {
        gathered.media(Value::Object(more));
    } else {
        gathered.other(Value::Object(more));
    }
    true
}

fn add_reasoning(gathered: &mut Blocks, reasoning: Reasoning<'_>) {
    let redacted = reasoning.redacted;
    let Reasoning {
        text, signature, ..
    } = match reasoning.whole {
        Some(whole) => *whole,
        None => Reasoning {
            text: reasoning.text,
            signature: reasoning.signature,
            ..Reasoning::default()
        },
    };
    let mut more = Map::new();
    if let Some(signature) = signature.text() {
        more.insert("signature".to_owned(), signature.into());
    }
    if let Some(redacted) = redacted.text() {
        more.insert("redactedContent".to_owned(), redacted.into());
    }
    gathered.reasoning(text.text().unwrap_or_default(), more);
}
