//! Anthropic's messages, at its own API, at Google's and within Amazon's.

mod begun;
mod growing;
mod known;
mod message;
mod stream;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

use std::borrow::Cow;

use serde_json::Value;

use self::message::Reader;
pub(super) use self::stream::Stream;
use super::{
    Policy, Read, Unread,
    blocks::Blocks,
    claims, estimate, failure,
    json::{self, Field, List},
    sse,
};
use crate::{
    conversation::{Choice, Message, Prompt, Reply, Role},
    outcome::Truncated,
};

/// Reads a request; `None` where the document is none. The `prompt` of older models is the user's message.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (request, claims) = claims::document::<wire::Request<'_>>(source)?;
    let mut truncated = Truncated::No;
    let mut reader = Reader {
        keep_media,
        truncated: &mut truncated,
        messages: Vec::new(),
    };
    reader.system(request.system, request.system_blocks);
    match (request.messages, request.prompt) {
        (Some(List { items, is_cut }), _) => {
            for message in items {
                reader.message(message);
            }
            if is_cut {
                *reader.truncated = Truncated::Cap;
            }
        }
        (None, Field::Text(prompt)) => reader.messages.push(Message::new(Role::User, prompt)),
        (None, _) => return None,
    }
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        claims,
        tools: request.tools.map(|tools| tools.get().to_owned()),
        stream: matches!(request.stream, Field::Other(Value::Bool(true))),
        ..reader.finish()
    };
    Some(Read::new(value, truncated))
}

/// Reads a response, whatever its form.
pub(super) fn reply(
    source: &str,
    is_event_stream: bool,
    cut: bool,
    policy: &Policy,
) -> Result<Read<Reply>, Unread> {
    if sse::sniff(source).unwrap_or(is_event_stream) {
        let mut stream = Stream::new(policy.max_parsed_bytes);
        for event in sse::Events::new(source) {
            stream.event(event.name, &event.data, cut && !event.ended);
        }
        return stream.finish(policy.keep_media);
    }
    if !estimate::fits(source, policy.max_parsed_bytes) {
        return Err(Unread::TooLarge);
    }
    super::repaired(source, cut, |source| whole_reply(source, policy.keep_media))
        .ok_or(Unread::Unknown)
}

/// Reads a response that is one document. What it says beside the message (`stop_sequence`, `container`,
/// `context_management`) stands in the message's `other`.
pub(super) fn whole_reply(source: &str, keep_media: bool) -> Option<Read<Reply>> {
    let response = json::document::<wire::Message<'_>>(source)?;
    let error = response
        .error
        .and_then(|source| failure::object(&json::parsed(source)));
    let usage = response.usage.map_or("", |source| source.get());
    let mut reply = Reply {
        response_id: response.id.text().map(Cow::into_owned),
        model: response.model.text().map(Cow::into_owned),
        usage: usage::read(usage, ""),
        error,
        ..Reply::default()
    };
    let is_spoken = response.blocks.is_some()
        || matches!(response.content, Field::Text(_))
        || matches!(response.completion, Field::Text(_));
    if !is_spoken {
        return reply
            .error
            .is_some()
            .then(|| Read::new(reply, Truncated::No));
    }
    let role = response
        .role
        .text()
        .map_or(Role::Assistant, |role| Role::from(role.as_ref()));
    let mut truncated = Truncated::No;
    let mut gathered = Blocks::of(&role);
    for text in [response.completion, response.content] {
        if let Field::Text(text) = text {
            gathered.text(text, Default::default());
        }
    }
    if let Some(List { items, is_cut }) = response.blocks {
        let mut is_cut = is_cut;
        for block in items {
            is_cut |= !message::add(&mut gathered, block, &role);
        }
        if is_cut {
            truncated = Truncated::Cap;
        }
    }
    let mut message = gathered.finish(role, keep_media);
    message.other.extend(wire::members(response.rest));
    reply.choices.push(Choice {
        index: 0,
        message,
        finish_reason: response.stop_reason.text().map(Cow::into_owned),
    });
    Some(Read::new(reply, truncated))
}
