//! OpenAI's chat completions, and what others make of them.

mod calls;
mod growing;
mod head;
mod known;
pub(super) mod message;
mod stream;
#[cfg(test)]
mod tests;
pub(super) mod usage;
pub(super) mod wire;

use std::borrow::Cow;

use serde_json::Value;

pub(super) use self::{message::Reader, stream::Stream};
use super::{
    Policy, Read, Unread, claims, estimate, failure,
    json::{self, Field, List},
    limits::{MAX_CHOICES, MAX_MESSAGES, MAX_PARTS, MAX_TOOL_CALLS},
    sse,
};
use crate::{
    conversation::{Choice, Prompt, Reply, Role},
    outcome::Truncated,
};

/// Reads a request; `None` where the document is none.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (request, claims) = claims::document::<wire::Request<'_>>(source)?;
    let reader = Reader {
        role: || Role::User,
        joint: "\n",
        keep_media,
    };
    let List { items, is_cut } = request.messages?;
    let mut truncated = cap_if(is_cut);
    let messages = items
        .into_iter()
        .map(|message| reader.read(message, &mut truncated))
        .collect();
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        claims,
        tools: request
            .tools
            .or(request.functions)
            .map(|tools| tools.get().to_owned()),
        stream: matches!(request.stream, Field::Other(Value::Bool(true))),
        ..Prompt::new(messages)
    };
    Some(Read::new(value, truncated))
}

/// Reads a response, whatever its form.
///
/// The vendor's words about the whole response (`system_fingerprint`, `service_tier`, `citations`,
/// `prompt_filter_results` and whatever else there is) stand in the first choice's `other`.
pub(super) fn reply(
    source: &str,
    is_event_stream: bool,
    cut: bool,
    policy: &Policy,
) -> Result<Read<Reply>, Unread> {
    if sse::sniff(source).unwrap_or(is_event_stream) {
        return stream::read(source, cut, policy);
    }
    if !estimate::fits(source, policy.max_parsed_bytes) {
        return Err(Unread::TooLarge);
    }
    super::repaired(source, cut, |source| whole_reply(source, policy.keep_media))
        .ok_or(Unread::Unknown)
}

fn whole_reply(source: &str, keep_media: bool) -> Option<Read<Reply>> {
    let response = json::document::<wire::Response<'_>>(source)?;
    let groq = response.x_groq.unwrap_or_default();
    let mut error = response
        .error
        .and_then(|source| failure::object(&json::parsed(source)));
    if response.choices.is_none() && error.is_none() {
        return None;
    }
    let reader = Reader {
        role: || Role::Assistant,
        joint: "",
        keep_media,
    };
    let wires = response.choices;
    let mut truncated = cap_if(wires.as_ref().is_some_and(|wires| wires.is_cut));
    let mut choices = Vec::new();
    for (position, mut choice) in (0..).zip(wires.into_iter().flat_map(|wires| wires.items)) {
        let completed = choice.completed();
        let finish_reason = choice.ended();
        if let Some(source) = choice.error {
            error = error.or_else(|| failure::object(&json::parsed(source)));
        }
        let message = choice
            .message
            .map(|message| *message)
            .or(choice.delta)
            .or(completed)
            .unwrap_or_default();
        let mut message = reader.read(message, &mut truncated);
        message.other.extend(
            choice
                .rest
                .into_iter()
                .map(|(key, source)| (key.into_owned(), json::parsed(source))),
        );
        choices.push(Choice {
            index: index(&choice.index).unwrap_or(position),
            message,
            finish_reason,
        });
    }
    choices.sort_by_key(|choice| choice.index);
    if let Some(first) = choices.first_mut() {
        let vendor = response.vendor.into_iter();
        first
            .message
            .other
            .extend(vendor.map(|(key, source)| (key.into_owned(), json::parsed(source))));
    }
    let usage = [response.usage, groq.usage]
        .into_iter()
        .flatten()
        .find_map(|source| usage::read(source.get()));
    let value = Reply {
        response_id: response.id.text().map(Cow::into_owned),
        model: response.model.text().map(Cow::into_owned),
        provider: response.provider.text().map(Cow::into_owned),
        choices,
        usage: usage.unwrap_or_default(),
        error,
        streamed: false,
    };
    Some(Read::new(value, truncated))
}

fn cap_if(is_cut: bool) -> Truncated {
    match is_cut {
        true => Truncated::Cap,
        false => Truncated::No,
    }
}

fn index(field: &Field<'_>) -> Option<i64> {
    match field {
        Field::Other(Value::Number(index)) => index.as_i64(),
        _ => None,
    }
}
