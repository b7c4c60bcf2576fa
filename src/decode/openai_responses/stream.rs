//! A reply that arrives as a stream of events.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    event::{Class, kind},
    pieces::Pieces,
    turn::Turn,
    wire,
};
use crate::{
    conversation::{Choice, ProviderError, Reply},
    decode::{
        Policy, Read, Unread, failure,
        json::{self, Field},
        sse::{Event, Events},
        tally::Tally,
    },
};

/// Reads a whole body of events, unless none of them is known, though there are some.
///
/// The event that ends a stream says everything again, and then nothing else is parsed. Where it is missing,
/// or says nothing, the answer is what the other events have in pieces.
pub(super) fn read(body: &str, cut: bool, policy: &Policy) -> Result<Read<Reply>, Unread> {
    let mut heard = Heard {
        last: None,
        begun: None,
        error: None,
        is_known: false,
        tally: Tally::new(policy.max_parsed_bytes),
    };
    for event in Events::new(body) {
        heard.event(event, cut);
    }
    let read = match heard.whole(policy) {
        Some(read) => read,
        None => {
            let mut pieces = Pieces::default();
            for event in Events::new(body) {
                pieces.event(&event, cut, &mut heard.tally);
            }
            heard.joined(pieces.finish(), policy)
        }
    };
    heard.finish(read)
}

/// What the events are, before any of them is parsed.
struct Heard<'a> {
    /// The event that ended the stream.
    last: Option<Cow<'a, str>>,
    /// The newest event before it that tells of the whole response.
    begun: Option<Cow<'a, str>>,
    error: Option<ProviderError>,
    is_known: bool,
    tally: Tally,
}

impl<'a> Heard<'a> {
    fn event(&mut self, event: Event<'a>, cut: bool) {
        let data = event.data.trim_ascii();
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        let class = Class::of(&kind(&event));
        self.is_known |= !matches!(class, Class::Idle | Class::Unknown);
        match class {
            Class::Piece | Class::Idle => {}
            // The event that a cut has split.
            Class::Unknown if cut && !event.ended => {}
            Class::Unknown => self.tally.unread(data),
            _ if !self.tally.admits(data) => {}
            Class::End => self.last = Some(event.data),
            Class::Begin => self.begun = Some(event.data),
            Class::Error => {
                let error = json::read(data).and_then(|value: Value| failure::of(&value));
                let mut error = error.unwrap_or_else(|| failure::stored(data));
                error.kind = error.kind.filter(|kind| kind != "error");
                self.error.get_or_insert(error);
            }
        }
    }

    /// The answer as the last event has it, where that has one.
    fn whole(&self, policy: &Policy) -> Option<Read<Reply>> {
        let response = whole_response(self.last.as_deref()?)?;
        let output = response.output.as_ref()?;
        (!output.items.is_empty())
            .then(|| super::answer(response, Turn::default(), policy.keep_media))
    }

    /// The answer as the pieces have it, and as far as the events about the whole response tell of it.
    fn joined(&self, turn: Turn, policy: &Policy) -> Read<Reply> {
        let last = self.last.as_deref().and_then(whole_response);
        let is_ended = last.is_some();
        let mut response = last
            .or_else(|| self.begun.as_deref().and_then(whole_response))
            .unwrap_or_default();
        response.output = None;
        if !is_ended {
            response.status = Field::Null;
        }
        super::answer(response, turn, policy.keep_media)
    }

    /// Adds what the events say besides; fails where they say nothing that is known.
    fn finish(self, read: Read<Reply>) -> Result<Read<Reply>, Unread> {
        let mut tally = self.tally;
        if let (false, Some(why)) = (self.is_known, tally.why_unread()) {
            return Err(why);
        }
        tally.truncated = tally.truncated.max(read.truncated);
        let mut reply = read.value;
        reply.streamed = true;
        reply.error = reply.error.or(self.error);
        if !self.is_known || reply.error.is_some() {
            reply.choices.retain(|choice| !is_silent(choice));
        }
        Ok(tally.finish(reply))
    }
}

fn whole_response(source: &str) -> Option<wire::Response<'_>> {
    json::document::<wire::Event<'_>>(source)?.response
}

fn is_silent(choice: &Choice) -> bool {
    let message = &choice.message;
    message.content.is_empty()
        && message.reasoning.is_none()
        && message.refusal.is_none()
        && message.tool_calls.is_empty()
        && !message.other.contains_key("output")
}
