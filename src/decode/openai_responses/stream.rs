//! A reply that arrives as a stream of events.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, json};

use super::{growing::Growing, turn::Turn, wire};
use crate::{
    conversation::Reply,
    decode::{
        Policy, Read, Unread, estimate, failure,
        json::{self, Field},
        limits::MAX_MESSAGES,
        repair,
        sse::{Event, Events},
    },
    escape,
    outcome::Truncated,
};

/// How much of the first event that is not known is kept.
const MAX_UNPARSED_CHARS: usize = 1000;

/// Reads a whole body of events, unless none of them is known, though there are some.
///
/// The event that ends a stream says everything again, and then nothing else is parsed. Where it is missing,
/// or says nothing, the answer is what the other events have in pieces. An event that is not known is counted
/// in `other["unparsed_events"]`, with the text of the first one.
///
/// An event that might take more than the reply so far leaves of `max_parsed_bytes` is left out.
pub(super) fn read(body: &str, cut: bool, policy: &Policy) -> Result<Read<Reply>, Unread> {
    let room = policy.max_parsed_bytes;
    let mut heard = Heard::default();
    for event in Events::new(body) {
        heard.event(event, cut, room);
    }
    let mut read = match heard.whole(policy) {
        Some(read) => read,
        None => {
            let mut pieces = Pieces::default();
            for event in Events::new(body) {
                pieces.event(&event, cut, room);
            }
            heard.refused += pieces.refused;
            heard.refused_bytes += pieces.refused_bytes;
            heard.joined(pieces, policy)
        }
    };
    heard.complete(&mut read)?;
    Ok(read)
}

/// What the events are, before any of them is parsed.
#[derive(Default)]
struct Heard<'a> {
    /// The event that ended the stream.
    last: Option<Cow<'a, str>>,
    /// The newest event before it that tells of the whole response.
    begun: Option<Cow<'a, str>>,
    error: Option<crate::conversation::ProviderError>,
    known: usize,
    unparsed: usize,
    first_unparsed: String,
    refused: usize,
    refused_bytes: u64,
}

impl<'a> Heard<'a> {
    fn event(&mut self, event: Event<'a>, cut: bool, room: usize) {
        let data = event.data.trim_ascii();
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        let class = class(&kind(&event));
        let fits = match class {
            Class::Piece | Class::Idle | Class::Unknown => true,
            Class::Begin | Class::End | Class::Error => estimate::fits(data, room),
        };
        self.known += usize::from(!matches!(class, Class::Idle | Class::Unknown));
        match class {
            Class::End if fits => self.last = Some(event.data),
            Class::Begin if fits => self.begun = Some(event.data),
            Class::Error if fits && self.error.is_none() => {
                let error = json::read(data).and_then(|value: Value| failure::of(&value));
                let mut error = error.unwrap_or_else(|| failure::stored(data));
                error.kind = error.kind.filter(|kind| kind != "error");
                self.error = Some(error);
            }
            Class::End | Class::Error if !fits => {
                self.refused += 1;
                self.refused_bytes += data.len() as u64;
            }
            // The event that a cut has split.
            Class::Unknown if cut && !event.ended => {}
            Class::Unknown => {
                if self.unparsed == 0 {
                    self.first_unparsed = escape::first_chars(data, MAX_UNPARSED_CHARS).to_owned();
                }
                self.unparsed += 1;
            }
            _ => {}
        }
    }

    /// The answer as the last event has it, where that has one.
    fn whole(&self, policy: &Policy) -> Option<Read<Reply>> {
        let response = whole_response(self.last.as_deref()?)?;
        let is_said = response
            .output
            .as_ref()
            .is_some_and(|output| !output.items.is_empty());
        is_said.then(|| super::answer(response, Turn::default(), policy.keep_media))
    }

    /// The answer as the pieces have it, and as far as the events about the whole response tell of it.
    fn joined(&self, pieces: Pieces, policy: &Policy) -> Read<Reply> {
        let mut turn = Turn::default();
        for growing in pieces.items.into_values() {
            growing.finish(&mut turn);
        }
        turn.is_cut |= pieces.is_cut;
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
    fn complete(self, read: &mut Read<Reply>) -> Result<(), Unread> {
        let reply = &mut read.value;
        if self.known == 0 && self.refused > 0 {
            return Err(Unread::TooLarge);
        }
        if self.known == 0 && self.unparsed > 0 {
            return Err(Unread::Unknown);
        }
        reply.streamed = true;
        if reply.error.is_none() {
            reply.error = self.error;
        }
        let is_silent = |choice: &crate::conversation::Choice| {
            let message = &choice.message;
            let is_blank = message.content.is_empty()
                && message.reasoning.is_none()
                && message.refusal.is_none();
            is_blank && message.tool_calls.is_empty() && !message.other.contains_key("output")
        };
        if self.known == 0 || reply.error.is_some() {
            reply.choices.retain(|choice| !is_silent(choice));
        }
        if let Some(first) = reply.choices.first_mut()
            && self.unparsed > 0
        {
            first.message.other.insert(
                "unparsed_events".to_owned(),
                json!({ "count": self.unparsed, "first": self.first_unparsed }),
            );
        }
        if self.refused > 0 {
            read.truncated = Truncated::Budget;
            read.shed_bytes = self.refused_bytes;
        }
        Ok(())
    }
}

/// What an event is good for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Tells of the whole response before it is there.
    Begin,
    Piece,
    /// Says everything again.
    End,
    Error,
    Idle,
    Unknown,
}

fn class(kind: &str) -> Class {
    match kind {
        "response.completed"
        | "response.incomplete"
        | "response.failed"
        | "response.cancelled"
        | "response.done" => Class::End,
        "response.created" | "response.queued" | "response.in_progress" => Class::Begin,
        "error" => Class::Error,
        "ping" | "keepalive" => Class::Idle,
        kind if kind.starts_with("response.") => Class::Piece,
        _ => Class::Unknown,
    }
}

fn whole_response(source: &str) -> Option<wire::Response<'_>> {
    json::document::<wire::Event<'_>>(source)?.response
}

/// The items of a stream, put together from its events.
#[derive(Default)]
struct Pieces {
    items: BTreeMap<i64, Growing>,
    is_cut: bool,
    /// What the items take in memory so far, as `estimate` has it.
    held: usize,
    refused: usize,
    refused_bytes: u64,
}

impl Pieces {
    fn event(&mut self, event: &Event<'_>, cut: bool, room: usize) {
        let data = event.data.trim_ascii();
        let kind = kind(event);
        let is_piece = kind.ends_with(".delta")
            || kind.ends_with("_delta")
            || kind.starts_with("response.output_item.")
            || kind == "response.output_text.annotation.added";
        if !is_piece {
            return;
        }
        if !estimate::fits(data, room.saturating_sub(self.held)) {
            self.refused += 1;
            self.refused_bytes += data.len() as u64;
            return;
        }
        let done = self.piece(&kind, data);
        if !done
            && cut
            && !event.ended
            && let Some(closed) = repair::close(data)
        {
            self.piece(&kind, &closed);
        }
    }

    fn piece(&mut self, kind: &str, data: &str) -> bool {
        let Some(event) = json::document::<wire::Event<'_>>(data) else {
            return false;
        };
        let index = match &event.output_index {
            Field::Other(Value::Number(index)) => index.as_i64(),
            _ => None,
        };
        let index = index.unwrap_or_default();
        if self.items.len() >= MAX_MESSAGES && !self.items.contains_key(&index) {
            self.is_cut = true;
            return true;
        }
        let held = &mut self.held;
        let growing = self.items.entry(index).or_insert_with(|| {
            *held += estimate::OBJECT_BYTES;
            Growing::default()
        });
        if let Some(item) = event.item {
            growing.set(item.get(), kind == "response.output_item.done", held);
        }
        if let Some(annotation) = event.annotation {
            growing.annotate(annotation.get(), held);
        }
        if let Field::Text(delta) = &event.delta {
            growing.grow(kind, delta, held);
        }
        true
    }
}

/// What an event is: its name, or the type that it states where the name is none of OpenAI's.
fn kind<'a>(event: &'a Event<'_>) -> Cow<'a, str> {
    if event.name.starts_with("response.") || event.name == "error" {
        return Cow::Borrowed(event.name);
    }
    let data = event.data.trim_ascii_start();
    // It stands first almost always.
    let first = data
        .strip_prefix("{\"type\":\"")
        .or_else(|| data.strip_prefix("{\"type\": \""))
        .and_then(|rest| rest.split_once('"'));
    if let Some((kind, _)) = first {
        return Cow::Borrowed(kind);
    }
    match json::document::<Kind<'_>>(data) {
        Some(Kind(Field::Text(kind))) => kind,
        _ => Cow::Borrowed(event.name),
    }
}

#[derive(Default)]
struct Kind<'a>(Field<'a>);

impl<'de> json::Members<'de> for Kind<'de> {
    fn member<A: serde::de::MapAccess<'de>>(
        &mut self,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "type" => self.0 = map.next_value()?,
            _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
        }
        Ok(())
    }
}
