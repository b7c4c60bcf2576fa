//! A reply that arrives in pieces, each of which is a response of its own.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{growing::Growing, usage, wire};
use crate::{
    conversation::{Choice, Message, Reply, Role},
    decode::{
        Read, Unread, estimate, failure,
        json::{self, Field, List},
        last::Last,
        limits::MAX_CHOICES,
        repair,
        tally::Tally,
    },
    outcome::Truncated,
};

/// A reply so far.
///
/// Of members that have no place of their own the last value stands, in the message's `other`. A prompt that
/// was blocked is answered by a message without text, whose `finish_reason` is the
/// reason of the block and whose `other` has the `promptFeedback`.
#[derive(Default)]
pub(super) struct Stream {
    reply: Reply,
    candidates: BTreeMap<i64, Growing>,
    usage: String,
    feedback: String,
    last: Last,
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

    /// Adds a piece, of which the end may be missing.
    pub(super) fn piece(&mut self, data: &str, is_cut: bool) {
        let data = data.trim_ascii();
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        if !self.tally.admits(data) {
            return;
        }
        let done = self.add(data)
            || (is_cut && repair::close(data).is_some_and(|closed| self.add(&closed)));
        if !done {
            self.tally.unread(data);
        }
    }

    fn add(&mut self, data: &str) -> bool {
        let Some(mut piece) = json::document::<wire::Response<'_>>(data) else {
            return false;
        };
        if let Some(inner) = piece.response.take() {
            piece = *inner;
        }
        let error = piece.error.map(json::parsed);
        let error = error.as_ref().and_then(failure::object);
        if piece.candidates.is_none()
            && piece.usage.is_none()
            && piece.feedback.is_none()
            && error.is_none()
        {
            return false;
        }
        let reply = &mut self.reply;
        for (slot, field) in [
            (&mut reply.response_id, piece.id),
            (&mut reply.model, piece.model),
        ] {
            if slot.is_none() {
                *slot = field.text().map(Cow::into_owned);
            }
        }
        if let Some(error) = error {
            reply.error.get_or_insert(error);
        }
        for (last, source) in [
            (&mut self.usage, piece.usage),
            (&mut self.feedback, piece.feedback),
        ] {
            if let Some(source) = source.filter(|source| source.get().starts_with('{')) {
                last.clear();
                last.push_str(source.get());
                self.is_begun = true;
            }
        }
        for (key, source) in piece.rest {
            self.last.keep(key, source, &mut self.tally.held);
        }
        let Some(List { items, is_cut }) = piece.candidates else {
            return true;
        };
        self.is_begun = true;
        let mut whole = !is_cut;
        for (position, candidate) in (0..).zip(items) {
            whole &= self.candidate(position, candidate);
        }
        if !whole {
            self.tally.truncated = Truncated::Cap;
        }
        true
    }

    fn candidate(&mut self, position: i64, candidate: wire::Candidate<'_>) -> bool {
        let index = match &candidate.index {
            Field::Other(Value::Number(index)) => index.as_i64().unwrap_or(position),
            _ => position,
        };
        if self.candidates.len() >= MAX_CHOICES && !self.candidates.contains_key(&index) {
            return false;
        }
        let growing = self.candidates.entry(index).or_insert_with(|| {
            self.tally.held += estimate::OBJECT_BYTES;
            Growing::default()
        });
        match candidate.finish_reason {
            Field::Text(reason) if !reason.is_empty() => {
                growing.finish_reason = Some(reason.into_owned());
            }
            // `$alt=json;enum-encoding=int`.
            Field::Other(Value::Number(reason)) => growing.finish_reason = Some(reason.to_string()),
            _ => {}
        }
        for (key, source) in candidate.rest {
            growing.last.keep(key, source, &mut self.tally.held);
        }
        match candidate.content {
            Some(content) => growing.grow(content, &mut self.tally),
            None => true,
        }
    }

    /// The whole reply, unless none of the pieces is one, though there are some.
    pub(super) fn finish(self, is_stream: bool, keep_media: bool) -> Result<Read<Reply>, Unread> {
        let Self {
            mut reply,
            mut candidates,
            usage,
            feedback,
            last,
            is_begun,
            mut tally,
        } = self;
        if !is_begun && reply.error.is_none() {
            let why = tally.why_unread();
            if let Some(why) = why.or((!is_stream).then_some(Unread::Unknown)) {
                return Err(why);
            }
        }
        for growing in candidates.values_mut() {
            if !growing.end_call() {
                tally.truncated = Truncated::Cap;
            }
        }
        reply.streamed = is_stream;
        reply.usage = usage::read(&usage).unwrap_or_default();
        reply.choices = candidates
            .into_iter()
            .map(|(index, growing)| growing.finish(index, keep_media))
            .collect();
        if let Some(first) = reply.choices.first_mut() {
            let last = last.into_members();
            first
                .message
                .keep(last.map(|(key, member)| (wire::spelt(&key), member)));
        }
        if !feedback.is_empty() {
            let feedback = json::value(&feedback);
            if reply.choices.is_empty() && reply.error.is_none() {
                let reason = feedback.get("blockReason").and_then(Value::as_str);
                reply.choices.push(Choice {
                    index: 0,
                    message: Message::new(Role::Assistant, ""),
                    finish_reason: reason.map(str::to_owned),
                });
            }
            if let Some(first) = reply.choices.first_mut() {
                let other = &mut first.message.other;
                other.insert("promptFeedback".to_owned(), feedback);
            }
        }
        Ok(tally.finish(reply))
    }
}
