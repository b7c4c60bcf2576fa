//! A reply that arrives as a stream of events.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

use super::{growing::Growing, known::Known, message::speaker, usage, wire};
use crate::{
    conversation::{Choice, ProviderError, Reply, Role},
    decode::{
        Read, Unread,
        blocks::Blocks,
        estimate,
        json::{self as lenient, Field},
        last::Last,
        limits::MAX_PARTS,
        repair,
        tally::Tally,
    },
    outcome::Truncated,
};

/// A stream so far.
///
/// Of members that have no place of their own the last value stands, beside what the message says. An event that
/// is none of the dialect is counted in `other["unparsed_events"]`, with the text of the first one.
#[derive(Default)]
pub(super) struct Stream {
    error: Option<ProviderError>,
    role: Option<Role>,
    blocks: Vec<Growing>,
    by_index: BTreeMap<i64, usize>,
    finish_reason: Option<String>,
    usage: String,
    last: Last,
    known: Known,
    is_begun: bool,
    tally: Tally,
}

impl Stream {
    pub(super) fn new(room: usize) -> Self {
        Self {
            tally: Tally::new(room),
            ..Self::default()
        }
    }

    /// Adds an event, of which the end may be missing.
    pub(super) fn event(&mut self, kind: &str, data: &str, is_cut: bool) {
        if !self.tally.admits(data) {
            return;
        }
        let done = self.add(kind, data)
            || (is_cut && repair::close(data).is_some_and(|closed| self.add(kind, &closed)));
        if !done {
            self.unread(data);
        }
    }

    /// Counts an event that cannot be read.
    pub(super) fn unread(&mut self, data: &str) {
        self.tally.unread(data);
    }

    pub(super) fn fail(&mut self, error: ProviderError) {
        self.error.get_or_insert(error);
    }

    fn add(&mut self, kind: &str, data: &str) -> bool {
        match kind {
            "contentBlockDelta" if self.add_echo(data) => return true,
            "contentBlockDelta" | "contentBlockStart" | "messageStart" | "messageStop"
            | "metadata" => {}
            "contentBlockStop" => return true,
            _ => return false,
        }
        let Some(event) = lenient::document::<wire::Response<'_>>(data) else {
            return false;
        };
        self.is_begun = true;
        let index = match &event.index {
            Field::Other(Value::Number(index)) => index.as_i64(),
            _ => None,
        };
        let is_plain = kind == "contentBlockDelta" && event.is_plain();
        if let Some(start) = event.start {
            self.push(index);
            self.grow(index, *start);
        }
        if let Some(delta) = event.delta {
            if is_plain {
                self.known.learn(data, index, &delta);
            }
            self.grow(index, delta);
        }
        if kind == "messageStart" {
            self.role = Some(speaker(&event.role, Role::Assistant));
        }
        if let Some(reason) = event.stop_reason.text() {
            self.finish_reason = Some(reason.into_owned());
        }
        if let Some(usage) = event.usage {
            self.usage.clear();
            self.usage.push_str(usage.get());
        }
        for (key, source) in event.rest {
            self.last.keep(key, source, &mut self.tally.held);
        }
        true
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

    fn push(&mut self, index: Option<i64>) {
        if self.blocks.len() >= MAX_PARTS {
            self.tally.truncated = Truncated::Cap;
            return;
        }
        self.tally.held += estimate::OBJECT_BYTES;
        let index = index.unwrap_or(self.blocks.len() as i64);
        self.by_index.insert(index, self.blocks.len());
        self.blocks.push(Growing::default());
    }

    fn grow(&mut self, index: Option<i64>, delta: wire::Block<'_>) {
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
            self.push(index);
            place
        })
    }

    /// The whole reply, unless none of the events is one, though there are some.
    pub(super) fn finish(mut self, keep_media: bool) -> Result<Read<Reply>, Unread> {
        if !self.is_begun && self.error.is_none() {
            return Err(self.tally.why_unread().unwrap_or(Unread::Unknown));
        }
        let mut reply = Reply {
            usage: usage::read(&self.usage).unwrap_or_default(),
            error: self.error,
            streamed: true,
            ..Reply::default()
        };
        if self.is_begun {
            let role = self.role.unwrap_or(Role::Assistant);
            let mut gathered = Blocks::of(&role);
            for block in self.blocks {
                if !block.finish(&mut gathered) {
                    self.tally.truncated = Truncated::Cap;
                }
            }
            let mut message = gathered.finish(role, keep_media);
            message.keep(self.last.into_members());
            reply.choices.push(Choice {
                index: 0,
                message,
                finish_reason: self.finish_reason,
            });
        }
        Ok(self.tally.finish(reply))
    }
}

/// The text of a member that grows.
pub(super) fn grown<'a>(field: Field<'a>, held: &mut usize) -> Option<Cow<'a, str>> {
    let text = match field {
        Field::Text(text) => text,
        _ => return None,
    };
    *held += estimate::text(&text);
    Some(text)
}

/// Members of an event, and what they take in memory.
pub(super) fn kept(rest: wire::Rest<'_>, held: &mut usize) -> Map<String, Value> {
    let bytes = rest
        .iter()
        .map(|(key, source)| estimate::member(key, *source));
    *held += bytes.sum::<usize>();
    wire::members(rest)
}
