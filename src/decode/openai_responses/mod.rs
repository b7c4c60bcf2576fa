//! OpenAI's responses, and what others make of them.

mod event;
mod growing;
mod input;
mod part;
mod pieces;
mod stream;
#[cfg(test)]
mod tests;
mod turn;
mod wire;

use std::borrow::Cow;

use serde_json::Value;

use self::{input::Input, turn::Turn};
use super::{
    Policy, Read, Unread, claims, estimate, failure,
    json::{self, Field},
    openai_chat::usage,
    sse,
};
use crate::{
    conversation::{Choice, Prompt, Reply, Role},
    outcome::Truncated,
};

/// Reads a request; `None` where the document is none.
///
/// What the input goes on from (`previous_response_id`, `conversation`, `prompt`) stands in the `other` of its
/// last message.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (request, claims) = claims::document::<wire::Request<'_>>(source)?;
    let is_stated = matches!(request.input, Field::Text(_)) || request.items.is_some();
    if !is_stated && request.context.is_empty() {
        return None;
    }
    let mut input = Input::new(keep_media);
    input.add(
        Role::System,
        request.instructions,
        request.instruction_items,
    );
    input.add(Role::User, request.input, request.items);
    let (mut messages, truncated) = input.finish();
    let previous = (request.context.iter()).find(|(key, _)| key == "previous_response_id");
    let previous = previous.map(|&(_, source)| wire::text(Some(source)));
    if let Some(last) = messages.last_mut() {
        last.other.append(&mut wire::members(request.context));
    }
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        claims,
        tools: request.tools.map(|tools| tools.get().to_owned()),
        stream: matches!(request.stream, Field::Other(Value::Bool(true))),
        goes_on_from: previous.filter(|id| !id.is_empty()),
        is_kept: !matches!(request.store, Field::Other(Value::Bool(false))),
        ..Prompt::new(messages)
    };
    Some(Read::new(value, truncated))
}

/// Reads a response, whatever its form.
///
/// All items of the output are one choice, and the status is its finish reason. The vendor's words about the
/// whole response (`service_tier`, `incomplete_details`, `previous_response_id`, `conversation`, `background`,
/// whatever is no echo of the request) stand in its `other`.
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
    super::repaired(source, cut, |source| {
        let response = json::document::<wire::Response<'_>>(source)?;
        (response.is_stated()).then(|| answer(response, Turn::default(), policy.keep_media))
    })
    .ok_or(Unread::Unknown)
}

/// A reply of a response, its items added to what was said before it.
fn answer(response: wire::Response<'_>, mut turn: Turn, keep_media: bool) -> Read<Reply> {
    let error = response
        .error
        .and_then(|source| failure::object(&json::parsed(source)));
    if let Some(output) = response.output {
        turn.is_cut |= output.is_cut;
        output.items.into_iter().for_each(|item| turn.add(item));
    }
    let truncated = match turn.is_cut {
        true => Truncated::Cap,
        false => Truncated::No,
    };
    let mut reply = Reply {
        response_id: response.id.text().map(Cow::into_owned),
        model: response.model.text().map(Cow::into_owned),
        usage: response
            .usage
            .and_then(|source| usage::read(source.get()))
            .unwrap_or_default(),
        ..Reply::default()
    };
    // A failure that nothing was said before is no answer.
    if !turn.is_empty() || error.is_none() {
        let mut message = turn.finish(keep_media);
        message.other.append(&mut wire::members(response.vendor));
        reply.choices.push(Choice {
            index: 0,
            message,
            finish_reason: response.status.text().map(Cow::into_owned),
        });
    }
    reply.error = error;
    Read::new(reply, truncated)
}
