//! The items of a request, as messages.

use std::borrow::Cow;

use super::{
    part::{Part, Parts},
    turn::Turn,
    wire::{self, Item, Items},
};
use crate::{
    conversation::{Message, Role},
    decode::{
        json::{self, Field, source_text_or_list},
        media,
        openai_chat::message,
    },
    outcome::Truncated,
};

/// What was said so far.
///
/// Everything that the model answered at once (thoughts, texts, calls) is one message, as it was when it was
/// answered; every result of a tool is one, by the id of its call.
pub(super) struct Input {
    messages: Vec<Message>,
    turn: Turn,
    keep_media: bool,
    truncated: Truncated,
}

impl Input {
    pub(super) fn new(keep_media: bool) -> Self {
        Self {
            messages: Vec::new(),
            turn: Turn::default(),
            keep_media,
            truncated: Truncated::No,
        }
    }

    /// Adds what this role says: one text or a list of items.
    pub(super) fn add(&mut self, role: Role, text: Field<'_>, items: Option<Items<'_>>) {
        if let Some(text) = text.text() {
            let text = match media::stub_url(&text).filter(|_| !self.keep_media) {
                Some(stub) => stub,
                None => text.into_owned(),
            };
            self.messages.push(Message::new(role.clone(), text));
        }
        let Some(items) = items else {
            return;
        };
        self.cut(items.is_cut);
        for item in items.items {
            self.item(&role, item);
        }
        self.end_turn();
    }

    fn item(&mut self, default: &Role, item: Item<'_>) {
        let is_message = item.kind() == "message";
        let role = match &item.role {
            Field::Text(role) if !role.is_empty() => Role::from(role.as_ref()),
            _ => default.clone(),
        };
        match (is_message, role) {
            (true, Role::Assistant) => self.turn.add(item),
            (true, role) => {
                let message = Message::new(role, "");
                self.message(message, item.content, item.parts, item.rest);
            }
            (false, _) if is_result(&item) => self.result(item),
            (false, _) => self.turn.add(item),
        }
    }

    fn result(&mut self, item: Item<'_>) {
        let mut message = Message::new(Role::Tool, "");
        let kind = item.kind();
        if kind != "function_call_output" {
            message.other.insert("type".to_owned(), kind.into());
        }
        let (mut content, mut parts) = (item.content, item.parts);
        match item.output {
            // The result of a program is an object.
            Some(source) if source.get().starts_with('{') => {
                let shown = vec![json::parsed(source)];
                message.other.insert("content".to_owned(), shown.into());
            }
            Some(source) if source.get().starts_with('[') => {
                source_text_or_list(source, &mut content, &mut parts);
            }
            Some(source) => content = Field::Text(wire::text(Some(source)).into()),
            None => {}
        }
        message.tool_call_id = item.call_id.text().map(Cow::into_owned);
        self.message(message, content, parts, item.rest);
    }

    fn message(
        &mut self,
        mut message: Message,
        content: Field<'_>,
        parts: Option<Parts<'_>>,
        rest: wire::Rest<'_>,
    ) {
        self.end_turn();
        message.other.append(&mut wire::members(rest));
        // An approval names what it approves in its own word.
        if message.role == Role::Tool && message.tool_call_id.is_none() {
            let approved = message.other.remove("approval_request_id");
            message.tool_call_id = approved.and_then(|id| Some(id.as_str()?.to_owned()));
        }
        let mut said = message::Parts::default();
        if let Field::Text(text) = content {
            said.text = text.into_owned();
        }
        if let Some(parts) = parts {
            self.cut(parts.is_cut);
            let is_text = parts
                .items
                .iter()
                .fold(true, |is_text, part| part.say(&mut said, "\n") & is_text);
            if !is_text {
                let shown = parts.items.into_iter().map(Part::whole);
                message.other.insert("content".to_owned(), shown.collect());
            }
        }
        if !self.keep_media {
            media::stub_members(&mut message.other);
            if let Some(stub) = media::stub_url(&said.text) {
                said.text = stub;
            }
        }
        message.content = said.text;
        message.refusal = Some(said.refusal).filter(|text| !text.is_empty());
        self.messages.push(message);
    }

    fn end_turn(&mut self) {
        if !self.turn.is_empty() {
            let turn = std::mem::take(&mut self.turn);
            self.cut(turn.is_cut);
            self.messages.push(turn.finish(self.keep_media));
        }
    }

    fn cut(&mut self, is_cut: bool) {
        if is_cut {
            self.truncated = Truncated::Cap;
        }
    }

    pub(super) fn finish(self) -> (Vec<Message>, Truncated) {
        (self.messages, self.truncated)
    }
}

/// Whether the client answers a call with this item. The provider's search for tools is its own.
fn is_result(item: &Item<'_>) -> bool {
    match item.kind() {
        "mcp_approval_response" => true,
        "tool_search_output" => !item
            .rest
            .iter()
            .any(|(key, source)| key == "execution" && source.get() == "\"server\""),
        kind => kind.ends_with("_output"),
    }
}
