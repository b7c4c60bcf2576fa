//! OpenAI's chat completions, and what others make of them.

mod calls;
mod growing;
mod head;
mod message;
mod stream;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

use std::borrow::Cow;

use serde_json::Value;

use self::message::Reader;
use super::{
    Read, failure,
    json::{self, Field},
    sse,
};
use crate::{
    conversation::{Choice, Prompt, Reply, Role},
    outcome::Truncated,
};

/// Choices beyond this are left out: no provider allows more than 128.
const MAX_CHOICES: usize = 1024;

/// Tool calls of one message beyond this are left out: no provider comes near it.
const MAX_TOOL_CALLS: usize = 65_536;

/// Reads a request; `None` where the document is none.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let request = json::document::<wire::Request<'_>>(source)?;
    let reader = Reader {
        role: || Role::User,
        joint: "\n",
        keep_media,
    };
    let mut truncated = Truncated::No;
    let messages = request.messages?.into_iter();
    let messages = messages
        .map(|message| reader.read(message, &mut truncated))
        .collect();
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        messages,
        stream: matches!(request.stream, Field::Other(Value::Bool(true))),
    };
    Some(Read { value, truncated })
}

/// Reads a response, whatever its form; `None` where the body is none.
///
/// The vendor's words about the whole response (`system_fingerprint`, `service_tier`, `citations`,
/// `search_results`) stand in the first choice's `other`.
pub(super) fn reply(
    source: &str,
    is_event_stream: bool,
    cut: bool,
    keep_media: bool,
) -> Option<Read<Reply>> {
    if sse::sniff(source).unwrap_or(is_event_stream) {
        stream::read(source, cut, keep_media)
    } else {
        super::repaired(source, cut, |source| whole_reply(source, keep_media))
    }
}

fn whole_reply(source: &str, keep_media: bool) -> Option<Read<Reply>> {
    let response = json::document::<wire::Response<'_>>(source)?;
    let groq = response.x_groq.unwrap_or_default();
    let mut error = response
        .error
        .and_then(|source| failure::object(&json::value(source.get())));
    if response.choices.is_none() && error.is_none() {
        return None;
    }
    let reader = Reader {
        role: || Role::Assistant,
        joint: "",
        keep_media,
    };
    let mut truncated = Truncated::No;
    let mut choices = Vec::new();
    let wires = response.choices.into_iter().flatten();
    for (position, choice) in (0..).zip(wires) {
        if choices.len() == MAX_CHOICES {
            truncated = Truncated::Cap;
            break;
        }
        if let Some(source) = choice.error {
            error = error.or_else(|| failure::object(&json::value(source.get())));
        }
        let message = choice
            .message
            .map(|message| *message)
            .or(choice.delta)
            .unwrap_or_default();
        let mut message = reader.read(message, &mut truncated);
        message.other.extend(
            choice
                .rest
                .into_iter()
                .map(|(key, source)| (key.into_owned(), json::value(source.get()))),
        );
        choices.push(Choice {
            index: index(&choice.index).unwrap_or(position),
            message,
            finish_reason: choice.finish_reason.text().map(Cow::into_owned),
        });
    }
    choices.sort_by_key(|choice| choice.index);
    if let Some(first) = choices.first_mut() {
        let vendor = response.vendor.into_iter();
        first
            .message
            .other
            .extend(vendor.map(|(key, source)| (key.into_owned(), json::value(source.get()))));
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
    Some(Read { value, truncated })
}

fn index(field: &Field<'_>) -> Option<i64> {
    match field {
        Field::Other(Value::Number(index)) => index.as_i64(),
        _ => None,
    }
}
