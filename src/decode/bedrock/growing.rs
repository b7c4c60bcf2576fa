//! One block of a stream, growing delta by delta.

use serde_json::{Map, Value};

use super::{
    known::Grown,
    stream::{grown, kept},
    wire,
};
use crate::{
    conversation::ToolCall,
    decode::{
        blocks::Blocks,
        estimate,
        json::{self, Field},
        push_piece,
    },
};

/// One block so far.
#[derive(Debug, Default)]
pub(super) struct Growing {
    text: String,
    reasoning: String,
    is_reasoning: bool,
    call: Option<ToolCall>,
    citations: Vec<Value>,
    more: Map<String, Value>,
}

impl Growing {
    /// Adds to what grows.
    pub(super) fn go_on(&mut self, grown: Grown, text: &str, held: &mut usize) {
        *held += estimate::text(text);
        match grown {
            Grown::Text => push_piece(&mut self.text, text),
            Grown::Reasoning => {
                self.is_reasoning = true;
                push_piece(&mut self.reasoning, text);
            }
            Grown::Input => push_piece(&mut self.call().arguments, text),
        }
    }

    fn call(&mut self) -> &mut ToolCall {
        self.call.get_or_insert_with(|| ToolCall {
            kind: "toolUse".to_owned(),
            ..ToolCall::default()
        })
    }

    /// Adds a delta, or what the block starts with, and to `held` what that takes in memory.
    pub(super) fn grow(&mut self, delta: wire::Block<'_>, held: &mut usize) {
        if let Field::Text(text) = delta.text {
            self.go_on(Grown::Text, &text, held);
        }
        if let Some(reasoning) = delta.reasoning {
            self.is_reasoning = true;
            if let Some(text) = grown(reasoning.text, held) {
                push_piece(&mut self.reasoning, &text);
            }
            for (key, field) in [
                ("signature", reasoning.signature),
                ("redactedContent", reasoning.redacted),
            ] {
                if let Some(piece) = grown(field, held).filter(|piece| !piece.is_empty()) {
                    match self.more.get_mut(key) {
                        Some(Value::String(text)) => text.push_str(&piece),
                        _ => drop(self.more.insert(key.to_owned(), piece.into())),
                    }
                }
            }
        }
        if let Some(used) = delta.tool_use {
            let call = self.call();
            if let Some(id) = used.id.text() {
                call.id = Some(id.into_owned());
            }
            if let Some(name) = used.name.text() {
                call.name = name.into_owned();
            }
            if let Some(source) = used.input {
                let input = source.get();
                *held += estimate::text(input);
                match json::plain(source) {
                    Some(piece) => push_piece(&mut call.arguments, piece),
                    None => match json::read::<String>(input) {
                        Some(piece) => call.arguments.push_str(&piece),
                        None => call.arguments.push_str(input),
                    },
                }
            }
            self.more.extend(kept(used.rest, held));
        }
        if let Some(result) = delta.tool_result {
            self.more.extend(kept(result.rest, held));
        }
        for (key, value) in kept(delta.rest, held) {
            match key.as_str() {
                "citation" => self.citations.push(value),
                _ => drop(self.more.insert(key, value)),
            }
        }
    }

    /// Adds the whole block to the others; false where there is no room for it.
    pub(super) fn finish(self, gathered: &mut Blocks) -> bool {
        let Self {
            text,
            reasoning,
            is_reasoning,
            call,
            citations,
            mut more,
        } = self;
        if !citations.is_empty() {
            more.insert("citations".to_owned(), citations.into());
        }
        match call {
            Some(mut call) => {
                if call.arguments.is_empty() {
                    call.arguments.push_str("{}");
                }
                return gathered.call(call, more);
            }
            None if is_reasoning => gathered.reasoning(reasoning, more),
            None if text.is_empty() && !more.is_empty() && !more.contains_key("citations") => {
                if more.contains_key("image") {
                    gathered.media(Value::Object(more));
                } else {
                    gathered.other(Value::Object(more));
                }
            }
            None if text.is_empty() && more.is_empty() => {}
            None => gathered.text(text, more),
        }
        true
    }
}
