//! One choice of a stream, growing delta by delta.

use serde_json::{Map, Value};

use super::{calls::Calls, message::Parts, wire};
use crate::{
    conversation::{Choice, Message, Role},
    decode::{
        estimate,
        json::{self, Field},
        last::Last,
        media, push_piece,
    },
};

/// One choice so far.
#[derive(Default)]
pub(super) struct Growing {
    role: Option<Role>,
    parts: Parts,
    calls: Calls,
    pub(super) finish_reason: Option<String>,
    /// The source of members of which the last value stands.
    pub(super) last: Last,
    /// Lists that grow, and the audio.
    grown: Map<String, Value>,
}

impl Growing {
    /// Whether it has said nothing yet.
    pub(super) fn is_silent(&self) -> bool {
        let Parts {
            text,
            reasoning,
            refusal,
        } = &self.parts;
        [text, reasoning, refusal]
            .iter()
            .all(|text| text.is_empty())
            && self.calls.is_empty()
    }

    /// Adds to the text, or to the thinking, and to `held` what that takes in memory.
    pub(super) fn go_on(&mut self, text: &str, is_thought: bool, held: &mut usize) {
        *held += estimate::text(text);
        match is_thought {
            true => push_piece(&mut self.parts.reasoning, text),
            false => push_piece(&mut self.parts.text, text),
        }
    }

    /// Adds a delta, and to `held` what that takes in memory; false where something had to be left out.
    pub(super) fn grow(&mut self, delta: wire::Message<'_>, held: &mut usize) -> bool {
        let mut whole = !delta.is_cut;
        match delta.content {
            Field::Text(text) => self.go_on(&text, false, held),
            Field::Other(Value::Array(values)) => {
                *held += values.iter().map(estimate::value).sum::<usize>();
                let media: Vec<Value> = values
                    .into_iter()
                    .filter(|part| !self.parts.add(part, ""))
                    .collect();
                self.append("content", media);
            }
            Field::Other(_) | Field::Null => {}
        }
        let mut function_call = None;
        if let Some(rare) = delta.rare {
            // Some servers send the same thinking under two names.
            let names = [rare.reasoning_content, rare.reasoning, rare.thinking];
            if let Some(thinking) = names.into_iter().find_map(Field::text) {
                self.go_on(&thinking, true, held);
            }
            if let Field::Text(text) = rare.refusal {
                *held += estimate::text(&text);
                self.parts.refusal.push_str(&text);
            }
            function_call = rare.function_call;
        }
        if self.role.is_none() {
            self.role = delta.role.text().map(|role| Role::from(role.as_ref()));
        }
        if let Some(calls) = delta.tool_calls {
            whole &= !calls.is_cut;
            for (position, call) in calls.items.into_iter().enumerate() {
                whole &= self.calls.add(call, position, held);
            }
        }
        if let Some(function) = function_call {
            whole &= self.calls.add_legacy(function, held);
        }
        for (key, source) in delta.rest {
            let text = source.get();
            let is_list = text.starts_with('[');
            let is_audio = key == "audio";
            if let Some(values) = is_list.then(|| json::read::<Vec<_>>(text)).flatten() {
                *held += values.iter().map(estimate::value).sum::<usize>();
                self.append(&key, values);
            } else if let Some(audio) = is_audio.then(|| json::read(text)).flatten() {
                *held += estimate::member(&key, source);
                match self.grown.get_mut("audio") {
                    Some(Value::Object(grown)) => merge(grown, audio, &["data", "transcript"]),
                    _ => drop(self.grown.insert(key.into_owned(), Value::Object(audio))),
                }
            } else {
                self.last.keep(key, source, held);
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

    /// The whole choice.
    pub(super) fn finish(self, index: i64, keep_media: bool) -> Choice {
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
            last.into_members()
                .map(|(key, member)| (key, member.into_value())),
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
