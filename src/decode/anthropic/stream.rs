//! A reply that arrives as a stream of events.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{growing::Growing, known::Known, usage, wire};
use crate::{
    conversation::{Choice, ProviderError, Reply, Role},
    decode::{
        Read, Unread,
        blocks::Blocks,
        estimate, failure,
        json::{self, Field},
        last::Last,
        limits::MAX_PARTS,
        repair,
        tally::Tally,
    },
    outcome::Truncated,
};

/// A stream so far.
///
/// Of members that have no place of their own the last value stands, beside what the message says.
#[derive(Default)]
pub(in crate::decode) struct Stream {
    reply: Reply,
    role: Option<Role>,
    blocks: Vec<Growing>,
    /// The block of an index: the last that began with it.
    by_index: BTreeMap<i64, usize>,
    finish_reason: Option<String>,
    first_usage: String,
    last_usage: String,
    last: Last,
    known: Known,
    is_begun: bool,
    tally: Tally,
}

impl Stream {
    pub(in crate::decode) fn new(room: usize) -> Self {
        Self {
            tally: Tally::new(room),
            ..Self::default()
        }
    }

    /// Adds an event, of which the end may be missing.
    pub(in crate::decode) fn event(&mut self, name: &str, data: &str, is_cut: bool) {
        let data = data.trim_ascii();
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        if !self.tally.admits(data) {
            return;
        }
        if ends_block(data) {
            self.is_begun = true;
            return;
        }
        let done = self.add_echo(data)
            || self.add(name, data)
            || (is_cut && repair::close(data).is_some_and(|closed| self.add(name, &closed)));
        if !done && name == "error" {
            self.fail(failure::stored(data));
        } else if !done {
            self.tally.unread(data);
        }
    }

    pub(in crate::decode) fn fail(&mut self, error: ProviderError) {
        self.reply.error.get_or_insert(error);
    }

    /// Adds an event that is known but for its text; false where it is not.
    fn add_echo(&mut self, data: &str) -> bool {
        let Some((index, grown, text)) = self.known.text(data) else {
            return false;
        };
        let at = self.place(index);
        if let Some(block) = self.blocks.get_mut(at) {
            block.go_on(grown, &text, &mut self.tally.held);
        }
        true
    }

    /// Adds the event; false where it is none.
    fn add(&mut self, name: &str, data: &str) -> bool {
        let Some(event) = json::document::<wire::Event<'_>>(data) else {
            return false;
        };
        let (kind, is_named) = match &event.kind {
            Field::Text(kind) => (kind.as_ref(), true),
            _ => (name, false),
        };
        match kind {
            "content_block_delta" => {
                let index = index(&event.index);
                if let Some(delta) = &event.delta {
                    self.grow(index, delta);
                    if is_named && event.rest.is_empty() {
                        self.known.learn(data, index, delta);
                    }
                }
                self.keep(event.rest);
            }
            "content_block_start" => {
                let index = index(&event.index);
                if let Some(block) = event.content_block {
                    let block = Growing::begin(block, &mut self.tally.held);
                    self.push(index, block);
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
            _ => match event.older.map(|older| *older) {
                Some(wire::Older {
                    completion: Field::Text(text),
                    stop_reason,
                    id,
                    model,
                }) => {
                    self.completion(&text);
                    set_once(&mut self.reply.response_id, id);
                    set_once(&mut self.reply.model, model);
                    self.stop(stop_reason);
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
            let block = Growing::whole(block.into_members(), &mut self.tally.held);
            self.push(None, block);
        }
    }

    fn push(&mut self, index: Option<i64>, block: Growing) {
        if self.blocks.len() >= MAX_PARTS {
            self.tally.truncated = Truncated::Cap;
            return;
        }
        self.tally.held += estimate::OBJECT_BYTES;
        let index = index.unwrap_or(self.blocks.len() as i64);
        self.by_index.insert(index, self.blocks.len());
        self.blocks.push(block);
    }

    fn grow(&mut self, index: Option<i64>, delta: &wire::Delta<'_>) {
        let at = self.place(index);
        if let Some(block) = self.blocks.get_mut(at) {
            block.grow(delta, &mut self.tally.held);
        }
    }

    /// Where the block of this index stands; one of which the beginning is missing begins here, where there is room.
    fn place(&mut self, index: Option<i64>) -> usize {
        let known = match index {
            Some(index) => self.by_index.get(&index).copied(),
            None => self.blocks.len().checked_sub(1),
        };
        known.unwrap_or_else(|| {
            let place = self.blocks.len();
            self.push(index, Growing::default());
            place
        })
    }

    /// The text of older models.
    fn completion(&mut self, text: &str) {
        let delta = wire::Delta {
            text: Field::Text(text.into()),
            ..wire::Delta::default()
        };
        self.grow(Some(0), &delta);
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
            self.last.keep(key, source, &mut self.tally.held);
        }
    }

    /// The whole reply, unless none of the events is one, though there are some.
    pub(in crate::decode) fn finish(self, keep_media: bool) -> Result<Read<Reply>, Unread> {
        let Self {
            mut reply,
            role,
            blocks,
            by_index: _,
            finish_reason,
            first_usage,
            last_usage,
            last,
            known: _,
            is_begun,
            mut tally,
        } = self;
        if !is_begun
            && reply.error.is_none()
            && let Some(why) = tally.why_unread()
        {
            return Err(why);
        }
        reply.streamed = true;
        reply.usage = usage::read(&first_usage, &last_usage);
        if is_begun {
            let role = role.unwrap_or(Role::Assistant);
            let mut gathered = Blocks::of(&role);
            for block in blocks {
                if !block.finish(&mut gathered) {
                    tally.truncated = Truncated::Cap;
                }
            }
            let mut message = gathered.finish(role, keep_media);
            message.keep(last.into_members());
            reply.choices.push(Choice {
                index: 0,
                message,
                finish_reason,
            });
        }
        Ok(tally.finish(reply))
    }
}

/// Whether an event says that a block has ended and nothing else. They are many, and need not be read.
fn ends_block(data: &str) -> bool {
    let index = data.strip_prefix(r#"{"type":"content_block_stop","index":"#);
    let index = index.and_then(|rest| rest.strip_suffix('}'));
    index.is_some_and(|index| match index.trim_ascii().as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    })
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
