//! A reply that arrives as a stream of chunks.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, json};

use super::{MAX_CHOICES, growing::Growing, head::Head, known::Known, usage, wire};
use crate::{
    conversation::{ProviderError, Reply},
    decode::{
        Policy, Read, Unread, estimate, failure,
        json::{self, Field},
        last::Last,
        repair,
        sse::{Event, Events},
    },
    escape,
    outcome::Truncated,
};

/// How much of the first event that is no chunk is kept.
const MAX_UNPARSED_CHARS: usize = 1000;

/// Reads a whole body of events, unless none of them is a chunk or an error, though there are some.
///
/// What comes with every chunk and says nothing of its own (`created`, `object`, `obfuscation`, `logprobs`)
/// is not kept. Of other unknown members of a delta or a choice, lists grow and the last value of all else
/// stands. An event that is no chunk is counted in `other["unparsed_events"]` of the first choice, with the
/// text of the first one.
///
/// An event is parsed and thrown away. Where it might take more than the reply so far leaves of
/// `max_parsed_bytes`, it is left out.
pub(super) fn read(body: &str, cut: bool, policy: &Policy) -> Result<Read<Reply>, Unread> {
    let mut stream = Stream::new(policy.max_parsed_bytes);
    for event in Events::new(body) {
        stream.event(&event, cut);
    }
    stream.finish(policy.keep_media)
}

/// A reply so far.
#[derive(Default)]
pub(in crate::decode) struct Stream {
    reply: Reply,
    vendor: Last,
    choices: BTreeMap<i64, Growing>,
    usage: String,
    groq_usage: String,
    choice_usage: String,
    unparsed: usize,
    first_unparsed: String,
    truncated: Truncated,
    head: Head,
    known: Known,
    /// Its pieces are called messages.
    grows_by_messages: bool,
    room: usize,
    /// What the reply takes in memory so far, as `estimate` has it.
    held: usize,
    /// Events that there was no room for.
    refused: usize,
    refused_bytes: u64,
}

impl Stream {
    fn new(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// A stream whose pieces may be called messages, which are whole elsewhere: Mistral's models at Amazon
    /// call them so.
    pub(in crate::decode) fn of_messages(room: usize) -> Self {
        Self {
            grows_by_messages: true,
            ..Self::new(room)
        }
    }

    fn event(&mut self, event: &Event<'_>, cut: bool) {
        let data = event.data.trim_ascii();
        if event.name != "error" {
            self.document(data, cut && !event.ended);
        } else if self.admits(data) {
            let error = json::read(data).and_then(|value: Value| failure::of(&value));
            self.fail(error.unwrap_or_else(|| failure::stored(data)));
        }
    }

    /// Whether an event says something that there is room for.
    fn admits(&mut self, data: &str) -> bool {
        if data.is_empty() || data == "[DONE]" {
            return false;
        }
        let fits = estimate::fits(data, self.room.saturating_sub(self.held));
        if !fits {
            self.refused += 1;
            self.refused_bytes += data.len() as u64;
        }
        fits
    }

    /// Adds what an event says, of which the end may be missing.
    pub(in crate::decode) fn document(&mut self, data: &str, is_cut: bool) {
        if !self.admits(data) {
            return;
        }
        let done = self.chunk(data)
            || (is_cut && repair::close(data).is_some_and(|closed| self.chunk(&closed)));
        if !done {
            if self.unparsed == 0 {
                self.first_unparsed = escape::first_chars(data, MAX_UNPARSED_CHARS).to_owned();
            }
            self.unparsed += 1;
        }
    }

    fn fail(&mut self, error: ProviderError) {
        self.reply.error.get_or_insert(error);
    }

    /// Adds a chunk; false where the text is none.
    fn chunk(&mut self, data: &str) -> bool {
        if self.add_echo(data) {
            return true;
        }
        if let Some(rest) = self.head.take_rest(data) {
            let done = self.add(&rest, data);
            self.head.put_back(rest);
            return done;
        }
        let done = self.add(data, data);
        self.head.learn(data, done);
        done
    }

    /// Adds a chunk that is known but for its text; false where it is not.
    fn add_echo(&mut self, data: &str) -> bool {
        let Some((index, is_thought, text)) = self.known.text(data) else {
            return false;
        };
        let Some(growing) = self.choices.get_mut(&index) else {
            return false;
        };
        growing.go_on(&text, is_thought, &mut self.held);
        true
    }

    /// A chunk with an error adds nothing but the error. The whole of it ends with what is given.
    fn add(&mut self, data: &str, whole: &str) -> bool {
        self.known.forget();
        let Some(chunk) = json::document::<wire::Response<'_>>(data) else {
            return false;
        };
        let groq = chunk.x_groq.unwrap_or_default();
        let error = chunk
            .error
            .or(groq.error)
            .and_then(|source| failure::object(&json::parsed(source)));
        if chunk.choices.is_none()
            && chunk.usage.is_none()
            && groq.usage.is_none()
            && error.is_none()
        {
            return false;
        }
        let reply = &mut self.reply;
        set_once(&mut reply.response_id, chunk.id);
        set_once(&mut reply.model, chunk.model);
        set_once(&mut reply.provider, chunk.provider);
        for (key, source) in chunk.vendor {
            self.vendor.keep(key, source, &mut self.held);
        }
        if let Some(error) = error {
            self.fail(error);
            return true;
        }
        for (usage, source) in [
            (&mut self.usage, chunk.usage),
            (&mut self.groq_usage, groq.usage),
        ] {
            if let Some(source) = source.filter(|source| source.get().starts_with('{')) {
                usage.clear();
                usage.push_str(source.get());
            }
        }
        let Some(choices) = chunk.choices else {
            return true;
        };
        if let [choice] = &choices.items[..] {
            self.known.learn(whole, data, choice);
        }
        self.truncated = self.truncated.max(super::cap_if(choices.is_cut));
        for (position, choice) in (0..).zip(choices.items) {
            self.choice(position, choice);
        }
        true
    }

    fn choice(&mut self, position: i64, mut choice: wire::Choice<'_>) {
        if let Some(error) = choice
            .error
            .and_then(|source| failure::object(&json::parsed(source)))
        {
            self.fail(error);
        }
        let index = super::index(&choice.index).unwrap_or(position);
        if self.choices.len() >= MAX_CHOICES && !self.choices.contains_key(&index) {
            self.truncated = Truncated::Cap;
            return;
        }
        let completed = choice.completed();
        let ended = choice.ended();
        if let Some(source) = choice.usage.filter(|source| source.get().starts_with('{')) {
            self.choice_usage.clear();
            self.choice_usage.push_str(source.get());
        }
        let growing = self.choices.entry(index).or_default();
        for (key, source) in choice.rest {
            growing.last.keep(key, source, &mut self.held);
        }
        if ended.is_some() {
            growing.finish_reason = ended;
        }
        // Some servers end with the whole message again.
        let is_piece = self.grows_by_messages || growing.is_silent();
        let whole = choice.message.filter(|_| is_piece);
        let delta = (choice.delta)
            .or_else(|| whole.map(|message| *message))
            .or(completed);
        if let Some(delta) = delta
            && !growing.grow(delta, &mut self.held)
        {
            self.truncated = Truncated::Cap;
        }
    }

    /// The whole reply, unless none of the events is a chunk or an error, though there are some.
    pub(in crate::decode) fn finish(self, keep_media: bool) -> Result<Read<Reply>, Unread> {
        let Self {
            mut reply,
            head: _,
            known: _,
            grows_by_messages: _,
            room: _,
            held: _,
            refused,
            refused_bytes,
            vendor,
            choices,
            usage,
            groq_usage,
            choice_usage,
            unparsed,
            first_unparsed,
            mut truncated,
        } = self;
        if choices.is_empty() && reply.error.is_none() {
            if refused > 0 {
                return Err(Unread::TooLarge);
            }
            if unparsed > 0 {
                return Err(Unread::Unknown);
            }
        }
        if refused > 0 {
            truncated = Truncated::Budget;
        }
        reply.streamed = true;
        reply.usage = usage::read(&usage)
            .or_else(|| usage::read(&groq_usage))
            .or_else(|| usage::read(&choice_usage))
            .unwrap_or_default();
        reply.choices = choices
            .into_iter()
            .map(|(index, growing)| growing.finish(index, keep_media))
            .collect();
        if let Some(first) = reply.choices.first_mut() {
            let other = &mut first.message.other;
            let vendor = vendor.into_members();
            other.extend(vendor.map(|(key, member)| (key, member.into_value())));
            if unparsed > 0 {
                other.insert(
                    "unparsed_events".to_owned(),
                    json!({ "count": unparsed, "first": first_unparsed }),
                );
            }
        }
        Ok(Read {
            shed_bytes: refused_bytes,
            ..Read::new(reply, truncated)
        })
    }
}

fn set_once(slot: &mut Option<String>, field: Field<'_>) {
    if slot.is_none() {
        *slot = field.text().map(Cow::into_owned);
    }
}
