//! Bytes in, messages out. Nothing here knows of databases, threads or time.

mod amazon_events;
mod answer;
mod anthropic;
#[cfg(test)]
mod arbitrary_tests;
mod bedrock;
mod blocks;
mod body;
mod claims;
mod cohere;
#[cfg(test)]
mod corpus_tests;
mod dialect;
#[cfg(test)]
mod documented;
mod embeddings;
mod encoding;
mod estimate;
mod failure;
mod gemini;
mod hearing;
#[cfg(test)]
mod hostile_tests;
mod inputs;
mod last;
mod limits;
mod lines;
mod media;
mod ollama;
mod openai_chat;
mod openai_completions;
mod openai_responses;
mod own;
mod path;
mod raw;
mod repair;
mod sse;
mod tally;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "internals"))]
pub(crate) use self::claims::claims;
pub use self::own::{CapturedBody, Decode};
pub(crate) use self::{dialect::Dialect, own::fits};

use self::{hearing::Hearing, own::Speech};
use crate::{
    conversation::{Choice, Prompt, Reply},
    escape, json,
    outcome::Truncated,
};

/// A body as it was captured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Payload<'a> {
    /// The `content-type` header; empty where there was none.
    pub(crate) content_type: &'a str,
    /// The `content-encoding` header; empty where there was none.
    pub(crate) content_encoding: &'a str,
    /// The `x-amzn-errortype` header, in which Amazon names an error; empty where there was none.
    pub(crate) error_type: &'a str,
    /// The bytes, in the pieces in which they were kept.
    pub(crate) segments: &'a [&'a [u8]],
    /// Whether bytes are missing at the end.
    pub(crate) truncated: bool,
}

/// How much is decoded, and what is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// A compressed body is expanded to at most so many bytes.
    pub(crate) max_decoded_bytes: usize,
    /// What the parsed bodies of an exchange may take in memory, as [`estimate`] has it. One that would take
    /// more stands as it came.
    pub(crate) max_parsed_bytes: usize,
    /// A body that nothing can decode is kept to at most so many bytes.
    pub(crate) max_raw_bytes: usize,
    /// Keep base64 payloads instead of a stub with media type, size and SHA-256.
    pub(crate) keep_media: bool,
}

/// An exchange in words.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// Whose API was spoken; `None` where nothing could decode it and the bodies stand as they came.
    pub(crate) provider: Option<&'static str>,
    pub(crate) prompt: Prompt,
    pub(crate) reply: Reply,
    /// What decoding had to leave out.
    pub(crate) truncated: Truncated,
    /// Bytes of the bodies, expanded, that were left out since there was no room to parse them.
    pub(crate) shed_bytes: u64,
}

/// Something read, and what reading had to leave out.
struct Read<T> {
    value: T,
    truncated: Truncated,
    shed_bytes: u64,
    /// What of the memory for parsing it goes on taking, at most.
    held: usize,
}

impl<T> Read<T> {
    fn new(value: T, truncated: Truncated) -> Self {
        Self {
            value,
            truncated,
            shed_bytes: 0,
            held: 0,
        }
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    /// It is not in the dialect.
    Unknown,
    /// There is no room to parse it.
    TooLarge,
}

/// Reads an exchange: its request, and its status and response where there was one.
///
/// Every string that comes out is in the stored form of [`escape`](crate::escape). A body that cannot be read
/// in the dialect of its path, or that there is no room for, stands as it came, as one message with
/// `other["raw"]`; an empty one gives no message. The body of a failed response becomes [`Reply::error`] in
/// any dialect and in none. Where the bodies were cut into segments never changes the result.
pub(crate) fn exchange(
    path: &str,
    request: Payload<'_>,
    response: Option<(u16, Payload<'_>)>,
    policy: &Policy,
) -> Spoken {
    let speech = Dialect::of(path).map(Speech::Known);
    heard(speech, path, request, response, policy)
}

/// The same for an exchange in a dialect of the application's own.
pub(crate) fn own_exchange(
    own: &dyn Decode,
    path: &str,
    request: Payload<'_>,
    response: Option<(u16, Payload<'_>)>,
    policy: &Policy,
) -> Spoken {
    heard(
        Some(Speech::Own(own, path)),
        path,
        request,
        response,
        policy,
    )
}

fn heard(
    speech: Option<Speech<'_>>,
    path: &str,
    request: Payload<'_>,
    response: Option<(u16, Payload<'_>)>,
    policy: &Policy,
) -> Spoken {
    let mut hearing = Hearing {
        speech,
        policy: *policy,
        is_read: false,
        is_raw: false,
        truncated: Truncated::No,
        shed_bytes: 0,
    };
    let mut prompt = hearing.prompt(request);
    if let Some(Speech::Known(dialect)) = hearing.speech {
        dialect.complete(&mut prompt, path);
    }
    let reply = response.map(|(status, payload)| {
        let mut reply = hearing.reply(status, payload);
        join_surrogates(&mut reply);
        if let (Some(Speech::Known(dialect)), Some(error), true) =
            (hearing.speech, &mut reply.error, status >= 400)
        {
            dialect.name_error(error, status, payload.error_type);
        }
        reply
    });
    let Hearing {
        speech,
        policy: _,
        is_read,
        is_raw,
        truncated,
        shed_bytes,
    } = hearing;
    Spoken {
        provider: speech.filter(|_| is_read || !is_raw).map(Speech::provider),
        prompt,
        reply: reply.unwrap_or_default(),
        truncated,
        shed_bytes,
    }
}

/// What a text that grows has room for from its first piece on: growing from nothing takes as many allocations.
const FIRST_ROOM: usize = 256;

/// Adds a piece to a text that grows.
fn push_piece(text: &mut String, piece: &str) {
    if text.capacity() == 0 && !piece.is_empty() {
        text.reserve(piece.len().max(FIRST_ROOM));
    }
    text.push_str(piece);
}

/// Joins characters whose halves came in two events.
fn join_surrogates(reply: &mut Reply) {
    for Choice { message, .. } in &mut reply.choices {
        let texts = [&mut message.reasoning, &mut message.refusal];
        let arguments = message
            .tool_calls
            .iter_mut()
            .map(|call| &mut call.arguments);
        let texts = texts.into_iter().flatten().chain(arguments);
        texts
            .chain([&mut message.content])
            .for_each(escape::join_surrogates);
    }
}

/// Reads a document, and where that fails and it was cut, the document closed again.
fn repaired<T>(source: &str, cut: bool, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let source = source.trim_start_matches('\u{feff}');
    read(source).or_else(|| {
        let closed = repair::close(source).filter(|_| cut)?;
        read(&closed)
    })
}
