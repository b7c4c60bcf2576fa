//! Cohere's chat in both versions, and its older completions of a text.

mod event;
mod known;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

pub(super) use self::request::prompt;
use super::{
    Policy, Read, Unread,
    answer::Answer,
    estimate, failure,
    json::{self, Fault, Field, List, Members, Raw, Source, stated},
    limits::{MAX_CHOICES, MAX_TOOL_CALLS},
    lines,
    openai_chat::{Reader, wire},
    sse,
};
use crate::{
    conversation::{Choice, Message, Reply, Role, ToolCall, Usage},
    outcome::Truncated,
};

/// Reads a response, whatever its form.
pub(super) fn reply(
    source: &str,
    is_event_stream: bool,
    is_line_stream: bool,
    cut: bool,
    policy: &Policy,
) -> Result<Read<Reply>, Unread> {
    if sse::sniff(source).unwrap_or(is_event_stream) {
        let events = sse::Events::new(source);
        return stream::read(events.map(|event| (event.data, event.ended)), cut, policy);
    }
    if is_line_stream || lines::sniff(source) {
        let lines = lines::lines(source);
        let events = lines.map(|(line, ended)| (Cow::Borrowed(line), ended));
        return stream::read(events, cut, policy);
    }
    if !estimate::fits(source, policy.max_parsed_bytes) {
        return Err(Unread::TooLarge);
    }
    super::repaired(source, cut, |source| {
        let mut answer = Answer::new(policy.max_parsed_bytes);
        let generations = whole(&mut answer, source, policy)?;
        let mut read = answer.finish().ok()?;
        if !generations.is_empty() {
            read.value.choices = generations;
        }
        Some(read)
    })
    .ok_or(Unread::Unknown)
}

/// Adds a whole response, and gives the several answers that a completion may have.
fn whole(answer: &mut Answer, source: &str, policy: &Policy) -> Option<Vec<Choice>> {
    let response = json::document::<Response<'_>>(source)?;
    let error = response
        .error
        .and_then(|source| failure::object(&json::parsed(source)));
    let is_spoken = response.message.is_some()
        || response.generations.is_some()
        || matches!(response.text, Field::Text(_))
        || response.tool_calls.is_some();
    if error.is_some() {
        answer.fail(error, source);
    } else if !is_spoken {
        return None;
    }
    answer.know();
    let id = response.generation_id.text().or_else(|| response.id.text());
    answer.reply.response_id = id.map(Cow::into_owned);
    answer.finish_reason = response.finish_reason.text().map(Cow::into_owned);
    answer.reply.usage = usage(response.usage.or(response.meta));
    if let Some(message) = response.message {
        let reader = Reader {
            role: || Role::Assistant,
            joint: "",
            keep_media: policy.keep_media,
        };
        let mut truncated = Truncated::No;
        let mut message = reader.read(message, &mut truncated);
        // A plan that there is none of says nothing.
        message.other.retain(|_, value| value.as_str() != Some(""));
        answer.cut(truncated != Truncated::No);
        answer.add(message);
    }
    if let Field::Text(text) = response.text {
        answer.say(&text);
    }
    if let Some(calls) = response.tool_calls {
        answer.cut(calls.is_cut);
        for call in calls.items {
            answer.call(call.into());
        }
    }
    for (key, source) in response.vendor {
        let value = json::parsed(source);
        let is_said = !matches!(&value, Value::Array(values) if values.is_empty());
        if is_said {
            answer.message.other.insert(key.into_owned(), value);
        }
    }
    let generations = response.generations.into_iter().flat_map(|list| list.items);
    let choices = (0..).zip(generations).map(|(position, generation)| {
        let text = generation.text.text().map(Cow::into_owned);
        Choice {
            index: position,
            message: Message::new(Role::Assistant, text.unwrap_or_default()),
            finish_reason: generation.finish_reason.text().map(Cow::into_owned),
        }
    });
    Some(choices.collect())
}

/// The tokens of a `usage` or a `meta`. Billed units are another count, that the source keeps.
fn usage(source: Option<Raw<'_>>) -> Usage {
    let Some(source) = source else {
        return Usage::default();
    };
    let value = json::parsed(source);
    let whole = |tokens: &Value| {
        let is_whole = |tokens: &f64| tokens.fract() == 0.0;
        let float = || tokens.as_f64().filter(is_whole);
        tokens
            .as_i64()
            .or_else(|| float().map(|tokens| tokens as i64))
    };
    let tokens = |name| whole(value.get("tokens")?.get(name)?);
    Usage {
        prompt_tokens: tokens("input_tokens"),
        completion_tokens: tokens("output_tokens"),
        raw: value.is_object().then(|| source.get().to_owned()),
        ..Usage::default()
    }
}

/// A whole response of any of the three.
#[derive(Default)]
struct Response<'a> {
    id: Field<'a>,
    generation_id: Field<'a>,
    message: Option<wire::Message<'a>>,
    text: Field<'a>,
    tool_calls: Option<Calls<'a>>,
    generations: Option<List<Generation<'a>, MAX_CHOICES>>,
    finish_reason: Field<'a>,
    usage: Option<Raw<'a>>,
    meta: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
    /// What the answer relies on.
    vendor: wire::Rest<'a>,
}

impl<'de> Members<'de> for Response<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "id" => self.id = map.field()?,
            "generation_id" => self.generation_id = map.field()?,
            "message" => json::object(map, &mut self.message)?,
            "text" => self.text = map.field()?,
            "tool_calls" => json::list(map, &mut self.tool_calls)?,
            "generations" => json::list(map, &mut self.generations)?,
            "finish_reason" => self.finish_reason = map.field()?,
            "usage" => self.usage = stated(map)?,
            "meta" => self.meta = stated(map)?,
            "error" => self.error = stated(map)?,
            // The history is the request once more.
            "chat_history" | "logprobs" | "prompt" | "is_search_required" => {
                map.skip()?;
            }
            _ => self.vendor.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

type Calls<'a> = List<Call<'a>, MAX_TOOL_CALLS>;

/// A call of the first version: it has no id.
#[derive(Default)]
struct Call<'a> {
    name: Field<'a>,
    parameters: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Call<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "name" => self.name = map.field()?,
            "parameters" => self.parameters = stated(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

impl From<Call<'_>> for ToolCall {
    fn from(call: Call<'_>) -> Self {
        Self {
            id: None,
            kind: "function".to_owned(),
            name: call.name.text().map(Cow::into_owned).unwrap_or_default(),
            arguments: call.parameters.map_or("", Raw::get).to_owned(),
        }
    }
}

#[derive(Default)]
struct Generation<'a> {
    text: Field<'a>,
    finish_reason: Field<'a>,
}

impl<'de> Members<'de> for Generation<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "text" => self.text = map.field()?,
            "finish_reason" => self.finish_reason = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}
