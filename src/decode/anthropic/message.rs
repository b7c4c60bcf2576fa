//! Messages of either direction, made of blocks.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::wire::{self, Block, Content};
use crate::{
    conversation::{Message, Prompt, Role, ToolCall},
    decode::{
        blocks::Blocks,
        json::{self, Field, List},
        limits::MAX_MESSAGES,
    },
    outcome::Truncated,
};

/// What Claude Code says of itself before its instructions, with a checksum that differs from call to call.
const BILLING: &str = "x-anthropic-billing-header:";

/// Reads the messages of a request.
pub(super) struct Reader<'t> {
    pub(super) keep_media: bool,
    pub(super) truncated: &'t mut Truncated,
    pub(super) messages: Vec<Message>,
}

impl Reader<'_> {
    /// The instructions; what a client says for the provider's accounts stands in `other["billing"]`.
    pub(super) fn system(&mut self, text: Field<'_>, blocks: Option<Content<'_>>) {
        if let Some(text) = text.text() {
            self.push(Message::new(Role::System, text));
        }
        let Some(List { mut items, is_cut }) = blocks else {
            return;
        };
        self.cut_if(is_cut);
        let is_billing = |block: &Block<'_>| matches!(&block.text, Field::Text(text) if text.starts_with(BILLING));
        let billing = items.iter().position(is_billing).map(|at| items.remove(at));
        let mut gathered = Blocks::of(&Role::System);
        for block in items {
            self.add(&mut gathered, block, &Role::System);
        }
        if gathered.is_empty() && billing.is_none() {
            return;
        }
        let mut message = gathered.finish(Role::System, self.keep_media);
        if let Some(text) = billing.and_then(|block| block.text.text()) {
            message.other.insert("billing".to_owned(), text.into());
        }
        self.push(message);
    }

    /// One message; each tool result within becomes a message of its own.
    pub(super) fn message(&mut self, wire: wire::Message<'_>) {
        let role = wire
            .role
            .text()
            .map_or(Role::User, |role| Role::from(role.as_ref()));
        let mut more = wire::members(wire.rest);
        let Some(List { items, is_cut }) = wire.blocks else {
            let mut message = Message::new(role, "");
            match wire.content {
                Field::Text(text) => message.content = text.into_owned(),
                Field::Other(value) => drop(more.insert("content".to_owned(), value)),
                Field::Null => {}
            }
            message.other = more;
            self.push(message);
            return;
        };
        self.cut_if(is_cut);
        let before = self.messages.len();
        let mut gathered = Blocks::of(&role);
        for block in items {
            if block.kind() == "tool_result" {
                if !gathered.is_empty() {
                    let said = std::mem::replace(&mut gathered, Blocks::of(&role));
                    self.push(said.finish(role.clone(), self.keep_media));
                }
                let result = self.result(block);
                self.push(result);
            } else {
                self.add(&mut gathered, block, &role);
            }
        }
        if !gathered.is_empty() || self.messages.len() == before {
            self.push(gathered.finish(role, self.keep_media));
        }
        if let Some(last) = self.messages.get_mut(before..).and_then(<[_]>::last_mut) {
            last.other.append(&mut more);
        }
    }

    fn result(&mut self, block: Block<'_>) -> Message {
        let (mut text, mut blocks) = (Field::Null, None::<Content<'_>>);
        if let Some(content) = block.content {
            json::source_text_or_list(content, &mut text, &mut blocks);
        }
        let mut gathered = Blocks::of(&Role::Tool);
        if let Field::Text(text) = text {
            gathered.text(text, Map::new());
        }
        if let Some(List { items, is_cut }) = blocks {
            self.cut_if(is_cut);
            for block in items {
                self.add(&mut gathered, block, &Role::Tool);
            }
        }
        let mut message = gathered.finish(Role::Tool, self.keep_media);
        message.tool_call_id = block.tool_use_id.text().map(Cow::into_owned);
        message.other.extend(wire::members(block.rest));
        message
    }

    fn add(&mut self, gathered: &mut Blocks, block: Block<'_>, role: &Role) {
        let whole = add(gathered, block, role);
        self.cut_if(!whole);
    }

    fn cut_if(&mut self, is_cut: bool) {
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

    /// What was read, of which the instructions stand first.
    pub(super) fn finish(self) -> Prompt {
        Prompt::new(self.messages)
    }
}

/// Adds a block; false where something had to be left out.
pub(super) fn add(gathered: &mut Blocks, mut block: Block<'_>, role: &Role) -> bool {
    match (block.kind(), &block.text, &block.thinking) {
        ("text" | "", Field::Text(_), _) => {
            if let Field::Text(text) = block.text {
                gathered.text(text, told(wire::members(block.rest)));
            }
        }
        ("thinking", _, Field::Text(_)) => {
            if let Field::Text(thinking) = block.thinking {
                gathered.reasoning(thinking, told(wire::members(block.rest)));
            }
        }
        ("tool_use", ..) => {
            let more = wire::members(std::mem::take(&mut block.rest));
            return gathered.call(call(block), more);
        }
        ("image" | "document" | "search_result" | "container_upload", ..) => {
            gathered.media(block.into_value());
        }
        // What a user sends is said, whatever it is; what the model did besides speaking is not.
        _ if *role == Role::User => gathered.media(block.into_value()),
        _ => gathered.other(block.into_value()),
    }
    true
}

fn call(block: Block<'_>) -> ToolCall {
    ToolCall {
        id: block.id.text().map(Cow::into_owned),
        kind: "tool_use".to_owned(),
        name: block.name.text().map(Cow::into_owned).unwrap_or_default(),
        arguments: match block.input {
            Some(input) => {
                json::read(input.get()).unwrap_or_else(|| json::compact(input.get()).into_owned())
            }
            None => "{}".to_owned(),
        },
    }
}

/// Members that say something: no empty list of citations, no empty signature.
pub(super) fn told(mut members: Map<String, Value>) -> Map<String, Value> {
    members.retain(|_, value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Null => false,
        _ => true,
    });
    members
}
