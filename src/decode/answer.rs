//! The one answer of a reply, growing piece by piece.

use std::mem;

use serde_json::{Value, json};

use super::{Read, Unread, estimate, failure, limits::MAX_TOOL_CALLS, push_piece, tally::Tally};
use crate::{
    conversation::{Choice, Message, ProviderError, Reply, Role, ToolCall},
    outcome::Truncated,
};

/// What was answered so far.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) message: Message,
    pub(super) finish_reason: Option<String>,
    pub(super) tally: Tally,
    is_known: bool,
}

impl Answer {
    /// With so much room for what is parsed.
    pub(super) fn new(room: usize) -> Self {
        Self {
            reply: Reply::default(),
            message: Message::new(Role::Assistant, ""),
            finish_reason: None,
            tally: Tally::new(room),
            is_known: false,
        }
    }

    /// Says that a piece was one of the dialect.
    pub(super) fn know(&mut self) {
        self.is_known = true;
    }

    /// Says whether something was one too many.
    pub(super) fn cut(&mut self, is_cut: bool) {
        if is_cut {
            self.tally.truncated = Truncated::Cap;
        }
    }

    /// The first error stands.
    pub(super) fn fail(&mut self, error: Option<ProviderError>, source: &str) {
        let error = error.unwrap_or_else(|| failure::stored(source));
        self.reply.error.get_or_insert(error);
    }

    pub(super) fn say(&mut self, text: &str) {
        self.tally.held += estimate::text(text);
        push_piece(&mut self.message.content, text);
    }

    pub(super) fn think(&mut self, text: &str) {
        if !text.is_empty() {
            self.tally.held += estimate::text(text);
            let reasoning = self.message.reasoning.get_or_insert_default();
            push_piece(reasoning, text);
        }
    }

    /// Adds a call; false where it is one too many.
    pub(super) fn call(&mut self, call: ToolCall) -> bool {
        if self.message.tool_calls.len() >= MAX_TOOL_CALLS {
            self.cut(true);
            return false;
        }
        self.tally.held += estimate::OBJECT_BYTES + estimate::text(&call.arguments);
        self.message.tool_calls.push(call);
        true
    }

    /// Appends to a list of the provider's own.
    pub(super) fn append(&mut self, name: &str, value: Value) {
        self.tally.held += estimate::value(&value);
        let list = self.message.other.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            match value {
                Value::Array(values) => list.extend(values),
                value => list.push(value),
            }
        }
    }

    /// Adds a message, or a piece of one.
    pub(super) fn add(&mut self, mut piece: Message) {
        let other = piece.take_other();
        let Message {
            role,
            content,
            tool_calls,
            tool_call_id: _,
            reasoning,
            refusal,
            other: _,
            kept: _,
        } = piece;
        self.message.role = role;
        self.say(&content);
        self.think(reasoning.as_deref().unwrap_or_default());
        let before = self.message.tool_calls.len();
        for call in tool_calls {
            self.call(call);
        }
        if let Some(refusal) = refusal {
            self.message
                .refusal
                .get_or_insert_default()
                .push_str(&refusal);
        }
        for (name, mut value) in other {
            match &mut value {
                Value::Array(values) => {
                    if name == "tool_calls" {
                        values
                            .iter_mut()
                            .for_each(|extra| move_index(extra, before));
                    }
                    self.append(&name, value);
                }
                _ => {
                    self.tally.held += estimate::value(&value);
                    self.message.other.insert(name, value);
                }
            }
        }
    }

    /// Whether anything was answered.
    pub(super) fn is_silent(&self) -> bool {
        let message = &self.message;
        message.content.is_empty()
            && message.reasoning.is_none()
            && message.tool_calls.is_empty()
            && message.other.is_empty()
    }

    /// The reply; what failed before anything was answered has no answer.
    pub(super) fn finish(mut self) -> Result<Read<Reply>, Unread> {
        if !self.is_known && self.reply.error.is_none() {
            match self.tally.why_unread() {
                Some(why) => return Err(why),
                None if !self.reply.streamed => return Err(Unread::Unknown),
                None => {}
            }
        }
        let is_failure = self.reply.error.is_some() && self.is_silent();
        if self.is_known && !is_failure {
            self.reply.choices.push(Choice {
                index: 0,
                message: mem::replace(&mut self.message, Message::new(Role::Assistant, "")),
                finish_reason: self.finish_reason,
            });
        }
        Ok(self.tally.finish(self.reply))
    }
}

fn move_index(extra: &mut Value, by: usize) {
    if let Some(index) = extra.get_mut("index")
        && let Some(at) = index.as_u64()
    {
        *index = (at + by as u64).into();
    }
}
