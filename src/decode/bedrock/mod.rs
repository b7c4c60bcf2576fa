//! Amazon Bedrock: Converse, and the models' own dialects behind InvokeModel.

mod growing;
mod invoke;
mod known;
mod message;
mod plain;
mod stream;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

use std::borrow::Cow;

pub(super) use self::invoke::{
    prompt as invoked_prompt, reply as invoked_reply, stream as invoked_stream,
};
use self::{
    message::{Reader, add, speaker},
    stream::Stream,
};
use super::{
    Policy, Read, Unread,
    amazon_events::{self, Messages},
    blocks::Blocks,
    body::Body,
    claims, estimate, failure,
    json::{self, Field, List},
    repair, repaired,
};
use crate::{
    conversation::{Choice, Prompt, ProviderError, Reply, Role},
    escape,
    outcome::Truncated,
};

/// Reads a request of Converse; `None` where the document is none.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (request, claims) = claims::document::<wire::Request<'_>>(source)?;
    let List { items, is_cut } = request.messages?;
    let mut truncated = Truncated::No;
    let mut reader = Reader {
        keep_media,
        truncated: &mut truncated,
        messages: Vec::new(),
    };
    let is_instructed = matches!(request.system_text, Field::Text(_))
        || request
            .system
            .as_ref()
            .is_some_and(|system| !system.items.is_empty());
    if is_instructed {
        let system = wire::Message {
            text: request.system_text,
            content: request.system,
            ..wire::Message::default()
        };
        reader.message(system, Some(Role::System));
    }
    for message in items {
        reader.message(message, None);
    }
    reader.cut_if(is_cut);
    let tools = request.tool_config.and_then(|config| config.tools);
    let value = Prompt {
        claims,
        tools: tools.map(|tools| tools.get().to_owned()),
        ..Prompt::new(reader.messages)
    };
    Some(Read::new(value, truncated))
}

/// Reads a whole response of Converse.
pub(super) fn reply(source: &str, cut: bool, policy: &Policy) -> Result<Read<Reply>, Unread> {
    if !estimate::fits(source, policy.max_parsed_bytes) {
        return Err(Unread::TooLarge);
    }
    repaired(source, cut, |source| whole_reply(source, policy.keep_media)).ok_or(Unread::Unknown)
}

/// Reads a response. What it says beside the message (`trace`, `additionalModelResponseFields`) stands in
/// the message's `other`.
fn whole_reply(source: &str, keep_media: bool) -> Option<Read<Reply>> {
    let response = json::document::<wire::Response<'_>>(source)?;
    let wire = response.output?.message?;
    let role = speaker(&wire.role, Role::Assistant);
    let mut gathered = Blocks::of(&role);
    if let Field::Text(text) = wire.text {
        gathered.text(text, Default::default());
    }
    let mut truncated = Truncated::No;
    if let Some(List { items, mut is_cut }) = wire.content {
        for block in items {
            is_cut |= !add(&mut gathered, block, &role);
        }
        if is_cut {
            truncated = Truncated::Cap;
        }
    }
    let mut message = gathered.finish(role, keep_media);
    message.other.extend(wire::members(wire.rest));
    message.other.extend(wire::members(response.rest));
    let usage = response.usage.and_then(|source| usage::read(source.get()));
    let reply = Reply {
        choices: vec![Choice {
            index: 0,
            message,
            finish_reason: response.stop_reason.text().map(Cow::into_owned),
        }],
        usage: usage.unwrap_or_default(),
        ..Reply::default()
    };
    Some(Read::new(reply, truncated))
}

/// Reads a stream of ConverseStream.
pub(super) fn streamed_reply(body: &Body<'_>, policy: &Policy) -> Result<Read<Reply>, Unread> {
    let mut stream = Stream::new(policy.max_parsed_bytes);
    for message in Messages::new(&body.bytes) {
        let payload = stored(message.payload);
        match failed(&message, &payload) {
            Some(error) => stream.fail(error),
            None if message.damaged => stream.unread("damaged"),
            None if message.event_type.is_empty() && payload.is_empty() => {}
            None => stream.event(message.event_type, &payload, body.cut && !message.ended),
        }
    }
    stream.finish(policy.keep_media)
}

/// The text of a payload in stored form.
fn stored(payload: &[u8]) -> Cow<'_, str> {
    // Most are a few words, and looking for escapes would cost more than reading them.
    match std::str::from_utf8(payload) {
        Ok(text) if memchr::memchr3(0, b'\\', 0xE2, payload).is_none() => Cow::Borrowed(text),
        _ => escape::json(repair::whole_characters(payload)),
    }
}

/// The error that a message of a stream is, if it is one.
fn failed(message: &amazon_events::Message<'_>, payload: &str) -> Option<ProviderError> {
    if !matches!(message.message_type, "exception" | "error") {
        return None;
    }
    let mut error = failure::body(payload).unwrap_or_else(|| failure::stored(payload));
    if error.message.is_empty() {
        error.message = escape::text(message.failure_message.as_bytes()).into_owned();
    }
    if !message.failure.is_empty() {
        error.code = Some(escape::text(message.failure.as_bytes()).into_owned());
    }
    Some(error)
}
