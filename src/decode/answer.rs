//! The one answer of a reply, growing piece by piece.

use std::mem;

use serde_json::{Value, json};

use super::{Policy, Read, Unread, estimate, failure, limits::MAX_TOOL_CALLS};
use crate::{
    conversation::{Choice, Message, ProviderError, Reply, Role, ToolCall},
    escape,
    outcome::Truncated,
};

/// How much of the first piece that is not known is kept.
const MAX_UNPARSED_CHARS: usize = 1000;

/// What was answered so far.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) message: Message,
    pub(super) finish_reason: Option<String>,
    /// What the answer takes in memory so far, as [`estimate`] has it.
    pub(super) held: usize,
    is_known: bool,
    is_cut: bool,
    unparsed: usize,
    first_unparsed: String,
    refused: usize,
    refused_bytes: u64,
}

impl Answer {
    pub(super) fn new() -> Self {
        Self {
            reply: Reply::default(),
            message: Message::new(Role::Assistant, ""),
            finish_reason: None,
            held: 0,
            is_known: false,
            is_cut: false,
            unparsed: 0,
            first_unparsed: String::new(),
            refused: 0,
            refused_bytes: 0,
        }
    }

    /// Whether there is room to read this piece; one for which there is none is counted.
    pub(super) fn has_room(&mut self, piece: &str, policy: &Policy) -> bool {
        let fits = estimate::fits(piece, policy.max_parsed_bytes.saturating_sub(self.held));
        if !fits {
            self.refused += 1;
            self.refused_bytes += piece.len() as u64;
        }
        fits
    }

    /// Says that a piece was one of the dialect.
    pub(super) fn know(&mut self) {
        self.is_known = true;
    }

    /// Counts a piece that is none.
    pub(super) fn pass_over(&mut self, piece: &str) {
        if self.unparsed == 0 {
            self.first_unparsed = escape::first_chars(piece, MAX_UNPARSED_CHARS).to_owned();
        }
        self.unparsed += 1;
    }

    pub(super) fn cut(&mut self, is_cut: bool) {
        self.is_cut |= is_cut;
    }

    /// The first error stands.
    pub(super) fn fail(&mut self, error: Option<ProviderError>, source: &str) {
        let error = error.unwrap_or_else(|| failure::stored(source));
        self.reply.error.get_or_insert(error);
    }

    pub(super) fn say(&mut self, text: &str) {
        self.held += estimate::text(text);
        self.message.content.push_str(text);
    }

    pub(super) fn think(&mut self, text: &str) {
        if !text.is_empty() {
            self.held += estimate::text(text);
            let reasoning = self.message.reasoning.get_or_insert_default();
            reasoning.push_str(text);
        }
    }

    /// Adds a call; false where it is one too many.
    pub(super) fn call(&mut self, call: ToolCall) -> bool {
        let calls = &mut self.message.tool_calls;
        if calls.len() >= MAX_TOOL_CALLS {
            self.is_cut = true;
            return false;
        }
        self.held += estimate::OBJECT_BYTES + estimate::text(&call.arguments);
        calls.push(call);
        true
    }

    /// Appends to a list of the provider's own.
    pub(super) fn append(&mut self, name: &str, value: Value) {
        self.held += estimate::value(&value);
        let list = self.message.other.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            match value {
                Value::Array(values) => list.extend(values),
                value => list.push(value),
            }
        }
    }

    /// Adds a message, or a piece of one.
    pub(super) fn add(&mut self, piece: Message) {
        let Message {
            role,
            content,
            tool_calls,
            tool_call_id: _,
            reasoning,
            refusal,
            other,
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
                    self.held += estimate::value(&value);
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
            if self.refused > 0 {
                return Err(Unread::TooLarge);
            }
            if self.unparsed > 0 || !self.reply.streamed {
                return Err(Unread::Unknown);
            }
        }
        if self.unparsed > 0 {
            let unparsed = json!({"count": self.unparsed, "first": self.first_unparsed});
            let other = &mut self.message.other;
            other.insert("unparsed_events".to_owned(), unparsed);
        }
        let is_failure = self.reply.error.is_some() && self.is_silent();
        if self.is_known && !is_failure {
            self.reply.choices.push(Choice {
                index: 0,
                message: mem::replace(&mut self.message, Message::new(Role::Assistant, "")),
                finish_reason: self.finish_reason,
            });
        }
        let truncated = match (self.refused > 0, self.is_cut) {
            (true, _) => Truncated::Budget,
            (false, true) => Truncated::Cap,
            (false, false) => Truncated::No,
        };
        Ok(Read {
            shed_bytes: self.refused_bytes,
            ..Read::new(self.reply, truncated)
        })
    }
}

fn move_index(extra: &mut Value, by: usize) {
    if let Some(index) = extra.get_mut("index")
        && let Some(at) = index.as_u64()
    {
        *index = (at + by as u64).into();
    }
}
