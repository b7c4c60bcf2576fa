//! Google's `generateContent` and `streamGenerateContent`, at AI Studio, at Vertex AI and at Code Assist.

mod content;
mod growing;
mod partial;
mod place;
mod stream;
#[cfg(test)]
mod tests;
pub(super) mod usage;
mod wire;

use std::borrow::Cow;

use self::{content::Reader, stream::Stream};
use super::{
    Policy, Read, Unread, claims, estimate,
    json::{self, Field, List},
    sse,
};
use crate::{
    conversation::{Message, Prompt, Reply, Role},
    outcome::Truncated,
};

/// Reads a request; `None` where the document is none.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (envelope, claims) = claims::document::<wire::Request<'_>>(source)?;
    let (request, model) = match (envelope.contents.is_none(), envelope.request) {
        (true, Some(request)) => (*request, envelope.model),
        (_, request) => (
            wire::Request {
                request,
                ..envelope
            },
            Field::Null,
        ),
    };
    let mut truncated = Truncated::No;
    let mut reader = Reader {
        keep_media,
        truncated: &mut truncated,
        messages: Vec::new(),
    };
    if let Some(text) = request.system_text.text() {
        reader.messages.push(Message::new(Role::System, text));
    }
    for content in request.system.into_iter().flat_map(|list| list.items) {
        reader.content(content, Some(Role::System));
    }
    match (request.contents, request.text) {
        (Some(List { items, is_cut }), _) => {
            for content in items {
                reader.content(content, None);
            }
            if is_cut {
                *reader.truncated = Truncated::Cap;
            }
        }
        (None, Field::Text(text)) => reader.messages.push(Message::new(Role::User, text)),
        (None, _) => return None,
    }
    let messages = reader.messages;
    let model = request.model.text().or_else(|| model.text());
    let value = Prompt {
        model: model.map(Cow::into_owned),
        claims,
        tools: request.tools.map(|tools| tools.get().to_owned()),
        ..Prompt::new(messages)
    };
    Some(Read::new(value, truncated))
}

/// Reads a response: one document, a list of them that is a stream, or one in each event.
pub(super) fn reply(
    source: &str,
    is_event_stream: bool,
    cut: bool,
    policy: &Policy,
) -> Result<Read<Reply>, Unread> {
    let mut stream = Stream::new(policy.max_parsed_bytes);
    if sse::sniff(source).unwrap_or(is_event_stream) {
        for event in sse::Events::new(source) {
            stream.piece(&event.data, cut && !event.ended);
        }
        return stream.finish(true, policy.keep_media);
    }
    let start = source.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if let Some(list) = start.strip_prefix('[') {
        json::elements(list, |element, is_whole| {
            stream.piece(element, cut && !is_whole)
        });
        return stream.finish(true, policy.keep_media);
    }
    if !estimate::fits(source, policy.max_parsed_bytes) {
        return Err(Unread::TooLarge);
    }
    stream.piece(start, cut);
    stream.finish(false, policy.keep_media)
}
