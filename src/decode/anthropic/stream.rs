//! A reply that arrives as a stream of events.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use serde_json::{Value, json};

use super::{growing::Growing, usage, wire};
use crate::{
    conversation::{Choice, ProviderError, Reply, Role},
    decode::{
        Read, Unread,
        blocks::Blocks,
        estimate, failure,
        json::{self, Field},
        last::keep_last,
        limits::MAX_PARTS,
        repair,
    },
    escape,
    outcome::Truncated,
};

/// How much of the first event that is none of the dialect is kept.
const MAX_UNPARSED_CHARS: usize = 1000;

/// A stream so far.
///
/// Of members that have no place of their own the last value stands, in the message's `other`. An event that
/// is none of the dialect is counted in `other["unparsed_events"]`, with the text of the first one. An event
/// is parsed and thrown away; where it might take more than the reply so far leaves of the room, it is left
/// out.
pub(in crate::decode) struct Stream {
    room: usize,
    reply: Reply,
    role: Option<Role>,
    blocks: Vec<Growing>,
    /// The block of an index: the last that began with it.
    by_index: HashMap<i64, usize>,
    finish_reason: Option<String>,
    first_usage: String,
    last_usage: String,
    last: BTreeMap<String, String>,
    is_begun: bool,
    unparsed: usize,
    first_unparsed: String,
    truncated: Truncated,
    /// What the reply takes in memory so far, as `estimate` has it.
    held: usize,
    refused: usize,
    refused_bytes: u64,
}

impl Stream {
    pub(in crate::decode) fn new(room: usize) -> Self {
        Self {
            room,
            reply: Reply::default(),
            role: None,
            blocks: Vec::new(),
            by_index: HashMap::new(),
            finish_reason: None,
            first_usage: String::new(),
            last_usage: String::new(),
            last: BTreeMap::new(),
            is_begun: false,
            unparsed: 0,
            first_unparsed: String::new(),
            truncated: Truncated::No,
            held: 0,
            refused: 0,
            refused_bytes: 0,
        }
    }

    /// Adds an event, of which the end may be missing.
    pub(in crate::decode) fn event(&mut self, name: &str, data: &str, is_cut: bool) {
        let data = data.trim_ascii();
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        if !estimate::fits(data, self.room.saturating_sub(self.held)) {
            self.refused += 1;
            self.refused_bytes += data.len() as u64;
            return;
        }
        let done = self.add(name, data)
            || (is_cut && repair::close(data).is_some_and(|closed| self.add(name, &closed)));
        if !done && name == "error" {
            self.fail(failure::stored(data));
        } else if !done {
            if self.unparsed == 0 {
                self.first_unparsed = escape::first_chars(data, MAX_UNPARSED_CHARS).to_owned();
            }
            self.unparsed += 1;
        }
    }

    pub(in crate::decode) fn fail(&mut self, error: ProviderError) {
        self.reply.error.get_or_insert(error);
    }

    /// Adds the event; false where it is none.
    fn add(&mut self, name: &str, data: &str) -> bool {
        let Some(event) = json::document::<wire::Event<'_>>(data) else {
            return false;
        };
        let kind = match &event.kind {
            Field::Text(kind) => kind.as_ref(),
            _ => name,
        };
        match kind {
            "content_block_delta" => {
                let index = index(&event.index);
                if let Some(delta) = event.delta {
                    self.grow(index, delta);
                }
                self.keep(event.rest);
            }
            "content_block_start" => {
                let index = index(&event.index);
                if let Some(block) = event.content_block {
                    self.begin(index, *block);
                }
                self.keep(event.rest);
            }
            "message_start" => {
                if let Some(message) = event.message {
                    self.start(*message);
                }
                self.keep(event.rest);
            }
            "message_delta" => {
                if let Some(delta) = event.delta {
                    self.stop(delta.stop_reason);
                    self.keep(delta.rest);
                }
                if let Some(usage) = event.usage {
                    self.last_usage.clear();
                    self.last_usage.push_str(usage.get());
                }
                self.keep(event.rest);
            }
            "content_block_stop" | "ping" => {}
            "message_stop" => self.keep(event.rest),
            _ if event.error.is_some() || kind == "error" => {
                let error = json::read(data).and_then(|value: Value| failure::of(&value));
                self.fail(error.unwrap_or_else(|| failure::stored(data)));
                return true;
            }
            _ => match event.completion {
                Field::Text(text) => {
                    self.completion(&text);
                    set_once(&mut self.reply.response_id, event.id);
                    set_once(&mut self.reply.model, event.model);
                    self.stop(event.stop_reason);
                }
                _ => return false,
            },
        }
        self.is_begun = true;
        true
    }

    fn start(&mut self, message: wire::Message<'_>) {
        set_once(&mut self.reply.response_id, message.id);
        set_once(&mut self.reply.model, message.model);
        if let Some(role) = message.role.text() {
            self.role = Some(Role::from(role.as_ref()));
        }
        if let Some(usage) = message.usage {
            self.first_usage.clear();
            self.first_usage.push_str(usage.get());
        }
        self.stop(message.stop_reason);
        self.keep(message.rest);
        for block in message.blocks.into_iter().flat_map(|blocks| blocks.items) {
            self.begin(None, block);
        }
    }

    fn begin(&mut self, index: Option<i64>, block: wire::Block<'_>) {
        let block = Growing::begin(block, &mut self.held);
        self.push(index, block);
    }

    fn push(&mut self, index: Option<i64>, block: Growing) {
        if self.blocks.len() >= MAX_PARTS {
            self.truncated = Truncated::Cap;
            return;
        }
        self.held += estimate::OBJECT_BYTES;
        let index = index.unwrap_or(self.blocks.len() as i64);
        self.by_index.insert(index, self.blocks.len());
        self.blocks.push(block);
    }

    fn grow(&mut self, index: Option<i64>, delta: wire::Delta<'_>) {
        let mut at = match index {
            Some(index) => self.by_index.get(&index).copied(),
            None => self.blocks.len().checked_sub(1),
        };
        if at.is_none() {
            at = Some(self.blocks.len());
            self.push(index, Growing::default());
        }
        if let Some(block) = at.and_then(|at| self.blocks.get_mut(at)) {
            block.grow(delta, &mut self.held);
        }
    }

    /// The text of older models.
    fn completion(&mut self, text: &str) {
        let delta = wire::Delta {
            text: Field::Text(text.into()),
            ..wire::Delta::default()
        };
        self.grow(Some(0), delta);
    }

    fn stop(&mut self, reason: Field<'_>) {
        if let Some(reason) = reason.text() {
            self.finish_reason = Some(reason.into_owned());
        }
    }

    fn keep(&mut self, rest: wire::Rest<'_>) {
        for (key, source) in rest {
            // Padding against those who measure the pieces.
            if key == "p" {
                continue;
            }
            keep_last(&mut self.last, key, source.get(), &mut self.held);
        }
    }

    /// The whole reply, unless none of the events is one, though there are some.
    pub(in crate::decode) fn finish(self, keep_media: bool) -> Result<Read<Reply>, Unread> {
        let Self {
            room: _,
            mut reply,
            role,
            blocks,
            by_index: _,
            finish_reason,
            first_usage,
            last_usage,
            last,
            is_begun,
            unparsed,
            first_unparsed,
            mut truncated,
            held: _,
            refused,
            refused_bytes,
        } = self;
        if !is_begun && reply.error.is_none() {
            if refused > 0 {
                return Err(Unread::TooLarge);
            }
            if unparsed > 0 {
                return Err(Unread::Unknown);
            }
        }
        reply.streamed = true;
        reply.usage = usage::read(&first_usage, &last_usage);
        if is_begun {
            let role = role.unwrap_or(Role::Assistant);
            let mut gathered = Blocks::of(&role);
            for block in blocks {
                if !block.finish(&mut gathered) {
                    truncated = Truncated::Cap;
                }
            }
            let mut message = gathered.finish(role, keep_media);
            let other = &mut message.other;
            other.extend(
                last.iter()
                    .map(|(key, source)| (key.clone(), json::value(source))),
            );
            if unparsed > 0 {
                let events = json!({ "count": unparsed, "first": first_unparsed });
                other.insert("unparsed_events".to_owned(), events);
            }
            reply.choices.push(Choice {
                index: 0,
                message,
                finish_reason,
            });
        }
        if refused > 0 {
            truncated = Truncated::Budget;
        }
        Ok(Read {
            shed_bytes: refused_bytes,
            ..Read::new(reply, truncated)
        })
    }
}

fn index(field: &Field<'_>) -> Option<i64> {
    match field {
        Field::Other(Value::Number(index)) => index.as_i64(),
        _ => None,
    }
}

fn set_once(slot: &mut Option<String>, field: Field<'_>) {
    if slot.is_none() {
        *slot = field.text().map(Cow::into_owned);
    }
}
