//! A reply that arrives as a stream of chunks.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value, json};

use super::{MAX_CHOICES, calls::Calls, message::Parts, usage, wire};
use crate::{
    conversation::{Choice, Message, ProviderError, Reply, Role},
    decode::{
        Read, failure,
        json::{self, Field, Object},
        media, repair,
        sse::{Event, Events},
    },
    outcome::Truncated,
};

/// How much of the first event that is no chunk is kept.
const MAX_UNPARSED_CHARS: usize = 1000;

/// Reads a whole body of events; `None` where none of them is a chunk or an error, though there are some.
///
/// What comes with every chunk and says nothing of its own (`created`, `object`, `obfuscation`, `logprobs`)
/// is not kept. Of other unknown members of a delta or a choice, lists grow and the last value of all else
/// stands. An event that is no chunk is counted in `other["unparsed_events"]` of the first choice, with the
/// text of the first one.
pub(super) fn read(body: &str, cut: bool, keep_media: bool) -> Option<Read<Reply>> {
    let mut stream = Stream::default();
    for event in Events::new(body) {
        stream.event(&event, cut);
    }
    stream.finish(keep_media)
}

#[derive(Default)]
struct Stream {
    reply: Reply,
    vendor: BTreeMap<String, String>,
    choices: BTreeMap<i64, Growing>,
    usage: String,
    groq_usage: String,
    unparsed: usize,
    first_unparsed: String,
    truncated: Truncated,
}

impl Stream {
    fn event(&mut self, event: &Event<'_>, cut: bool) {
        let data = event.data.trim_ascii();
        if data.is_empty() || data == "[DONE]" {
            return;
        }
        if event.name == "error" {
            let error = json::read(data).and_then(|value: Value| failure::of(&value));
            self.fail(error.unwrap_or_else(|| failure::stored(data)));
            return;
        }
        let done = self.chunk(data)
            || (cut
                && !event.ended
                && repair::close(data).is_some_and(|closed| self.chunk(&closed)));
        if !done {
            if self.unparsed == 0 {
                self.first_unparsed = data.chars().take(MAX_UNPARSED_CHARS).collect();
            }
            self.unparsed += 1;
        }
    }

    fn fail(&mut self, error: ProviderError) {
        self.reply.error.get_or_insert(error);
    }

    /// Adds a chunk; false where the text is none. A chunk with an error adds nothing but the error.
    fn chunk(&mut self, data: &str) -> bool {
        let Ok(Object(Some(chunk))) = serde_json::from_str::<Object<wire::Response<'_>>>(data)
        else {
            return false;
        };
        let groq = chunk.x_groq.0.unwrap_or_default();
        let error = chunk
            .error
            .or(groq.error)
            .and_then(|source| failure::object(&json::value(source.get())));
        if chunk.choices.0.is_none()
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
        if let Some(error) = error {
            self.fail(error);
            return true;
        }
        for (key, source) in chunk.vendor {
            keep_last(&mut self.vendor, key, source.get());
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
        let choices = chunk
            .choices
            .0
            .into_iter()
            .flatten()
            .filter_map(|Object(choice)| choice);
        for (position, choice) in (0..).zip(choices) {
            self.choice(position, choice);
        }
        true
    }

    fn choice(&mut self, position: i64, choice: wire::Choice<'_>) {
        if let Some(error) = choice
            .error
            .and_then(|source| failure::object(&json::value(source.get())))
        {
            self.fail(error);
        }
        let index = super::index(&choice.index).unwrap_or(position);
        if self.choices.len() >= MAX_CHOICES && !self.choices.contains_key(&index) {
            self.truncated = Truncated::Cap;
            return;
        }
        let growing = self.choices.entry(index).or_default();
        for (key, source) in choice.rest {
            keep_last(&mut growing.last, key, source.get());
        }
        if let Some(reason) = choice.finish_reason.text() {
            growing.finish_reason = Some(reason.into_owned());
        }
        // Some servers end with the whole message again.
        let delta = choice
            .delta
            .0
            .or_else(|| choice.message.0.filter(|_| growing.is_silent()));
        if let Some(delta) = delta
            && !growing.grow(delta)
        {
            self.truncated = Truncated::Cap;
        }
    }

    fn finish(self, keep_media: bool) -> Option<Read<Reply>> {
        let Self {
            mut reply,
            vendor,
            choices,
            usage,
            groq_usage,
            unparsed,
            first_unparsed,
            truncated,
        } = self;
        if choices.is_empty() && unparsed > 0 && reply.error.is_none() {
            return None;
        }
        reply.streamed = true;
        reply.usage = usage::read(&usage)
            .or_else(|| usage::read(&groq_usage))
            .unwrap_or_default();
        reply.choices = choices
            .into_iter()
            .map(|(index, growing)| growing.finish(index, keep_media))
            .collect();
        if let Some(first) = reply.choices.first_mut() {
            let other = &mut first.message.other;
            other.extend(
                vendor
                    .into_iter()
                    .map(|(key, source)| (key, json::value(&source))),
            );
            if unparsed > 0 {
                other.insert(
                    "unparsed_events".to_owned(),
                    json!({ "count": unparsed, "first": first_unparsed }),
                );
            }
        }
        Some(Read {
            value: reply,
            truncated,
        })
    }
}

/// One choice so far.
#[derive(Default)]
struct Growing {
    role: Option<Role>,
    parts: Parts,
    calls: Calls,
    finish_reason: Option<String>,
    /// The source of members of which the last value stands.
    last: BTreeMap<String, String>,
    /// Lists that grow, and the audio.
    grown: Map<String, Value>,
}

impl Growing {
    fn is_silent(&self) -> bool {
        self.parts.text.is_empty() && self.parts.reasoning.is_empty() && self.calls.is_empty()
    }

    /// Adds a delta; false where something had to be left out.
    fn grow(&mut self, delta: wire::Message<'_>) -> bool {
        let mut whole = true;
        match delta.content {
            Field::Text(text) => self.parts.text.push_str(&text),
            Field::Other(Value::Array(values)) => {
                let media: Vec<Value> = values
                    .into_iter()
                    .filter(|part| !self.parts.add(part, ""))
                    .collect();
                self.append("content", media);
            }
            Field::Other(_) | Field::Null => {}
        }
        // Some servers send the same thinking under two names.
        let thinking = delta
            .reasoning_content
            .text()
            .or_else(|| delta.reasoning.text());
        if let Some(thinking) = thinking.or_else(|| delta.thinking.text()) {
            self.parts.reasoning.push_str(&thinking);
        }
        if let Field::Text(text) = delta.refusal {
            self.parts.refusal.push_str(&text);
        }
        if self.role.is_none() {
            self.role = delta.role.text().map(|role| Role::from(role.as_ref()));
        }
        let calls = delta
            .tool_calls
            .0
            .into_iter()
            .flatten()
            .filter_map(|Object(call)| call);
        for (position, call) in calls.enumerate() {
            whole &= self.calls.add(call, position);
        }
        if let Object(Some(function)) = delta.function_call {
            whole &= self.calls.add_legacy(function);
        }
        for (key, source) in delta.rest {
            let source = source.get();
            if source.starts_with('[') {
                self.append(&key, json::read(source).unwrap_or_default());
            } else if let ("audio", Some(audio)) = (key.as_ref(), json::read(source)) {
                match self.grown.get_mut("audio") {
                    Some(Value::Object(grown)) => merge(grown, audio, &["data", "transcript"]),
                    _ => drop(self.grown.insert(key.into_owned(), Value::Object(audio))),
                }
            } else {
                keep_last(&mut self.last, key, source);
            }
        }
        whole
    }

    /// Appends to a list; an item that continues the last one, by its `type` and `index`, is joined to it.
    fn append(&mut self, key: &str, values: Vec<Value>) {
        if values.is_empty() {
            return;
        }
        if !matches!(self.grown.get(key), Some(Value::Array(_))) {
            self.grown.insert(key.to_owned(), Value::Array(Vec::new()));
        }
        let Some(Value::Array(list)) = self.grown.get_mut(key) else {
            return;
        };
        for value in values {
            match (list.last_mut(), value) {
                (Some(Value::Object(last)), Value::Object(next))
                    if next.contains_key("index")
                        && next.get("index") == last.get("index")
                        && next.get("type") == last.get("type") =>
                {
                    merge(last, next, &["text", "summary"]);
                }
                (_, value) => list.push(value),
            }
        }
    }

    fn finish(self, index: i64, keep_media: bool) -> Choice {
        let Self {
            role,
            parts,
            calls,
            finish_reason,
            last,
            grown,
        } = self;
        let mut message = Message::new(role.unwrap_or(Role::Assistant), parts.text);
        message.reasoning = Some(parts.reasoning).filter(|text| !text.is_empty());
        message.refusal = Some(parts.refusal).filter(|text| !text.is_empty());
        message.other = grown;
        message.other.extend(
            last.into_iter()
                .map(|(key, source)| (key, json::value(&source))),
        );
        if !keep_media {
            media::stub_members(&mut message.other);
            if let Some(stub) = media::stub_url(&message.content) {
                message.content = stub;
            }
        }
        let (calls, extras) = calls.finish();
        message.tool_calls = calls;
        if !extras.is_empty() {
            message
                .other
                .insert("tool_calls".to_owned(), Value::Array(extras));
        }
        Choice {
            index,
            message,
            finish_reason,
        }
    }
}

fn set_once(slot: &mut Option<String>, field: Field<'_>) {
    if slot.is_none() {
        *slot = field.text().map(Cow::into_owned);
    }
}

/// Most chunks say the same again, and then nothing is allocated.
fn keep_last(last: &mut BTreeMap<String, String>, key: Cow<'_, str>, source: &str) {
    match last.get_mut(key.as_ref()) {
        Some(known) if source == "{}" || known == source => {}
        Some(known) => {
            known.clear();
            known.push_str(source);
        }
        None if source == "{}" || source == "\"\"" => {}
        None => drop(last.insert(key.into_owned(), source.to_owned())),
    }
}

/// Joins two pieces of an object: these texts grow, and of all else the last value that says something stands.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>, growing: &[&str]) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (_, Value::Null) => {}
            (Some(Value::String(text)), Value::String(more)) if growing.contains(&key.as_str()) => {
                text.push_str(&more)
            }
            (Some(Value::String(_)), Value::String(empty)) if empty.is_empty() => {}
            (_, value) => drop(into.insert(key, value)),
        }
    }
}
