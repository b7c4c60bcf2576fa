//! Bytes in, messages out. Nothing here knows of databases, threads or time.

#[cfg(test)]
mod corpus_tests;
mod encoding;
mod failure;
mod json;
mod media;
mod openai_chat;
mod raw;
mod repair;
mod sse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::{
    conversation::{Choice, Prompt, Reply, Role},
    escape,
    outcome::Truncated,
};

/// A body as it was captured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Payload<'a> {
    /// The `content-type` header; empty where there was none.
    pub(crate) content_type: &'a str,
    /// The `content-encoding` header; empty where there was none.
    pub(crate) content_encoding: &'a str,
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
}

/// The wire formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAiChat,
}

impl Dialect {
    /// The dialect that is spoken at a path, however that is percent-encoded: the one place that knows.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let path = path.as_bytes();
        // Asked of every request: what is not encoded is not copied.
        Self::at(path).or_else(|| {
            memchr::memchr2(b'?', b'%', path)?;
            let path = path.split(|&byte| byte == b'?').next()?;
            Self::at(&Cow::from(percent_decode(path)))
        })
    }

    fn at(mut path: &[u8]) -> Option<Self> {
        while let Some(shorter) = path.strip_suffix(b"/") {
            path = shorter;
        }
        path.ends_with(b"/chat/completions")
            .then_some(Self::OpenAiChat)
    }

    fn provider(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai",
        }
    }

    fn prompt(self, body: &Body<'_>, policy: &Policy) -> Option<Read<Prompt>> {
        let source = body.source();
        repaired(&source, body.cut, |source| match self {
            Self::OpenAiChat => openai_chat::prompt(source, policy.keep_media),
        })
    }

    fn reply(self, body: &Body<'_>, policy: &Policy) -> Option<Read<Reply>> {
        let source = body.source();
        match self {
            Self::OpenAiChat => {
                openai_chat::reply(&source, body.is_event_stream(), body.cut, policy.keep_media)
            }
        }
    }
}

/// Something read, and what reading had to leave out.
struct Read<T> {
    value: T,
    truncated: Truncated,
}

/// Reads an exchange: its request, and its status and response where there was one.
///
/// Every string that comes out is in the stored form of [`escape`]. A body that cannot be read in the dialect
/// of its path stands as it came, as one message with `other["raw"]`; an empty one gives no message. The
/// body of a failed response becomes [`Reply::error`] in any dialect and in none. Where the bodies were cut
/// into segments never changes the result.
pub(crate) fn exchange(
    path: &str,
    request: Payload<'_>,
    response: Option<(u16, Payload<'_>)>,
    policy: &Policy,
) -> Spoken {
    let dialect = Dialect::of(path);
    let mut truncated = Truncated::No;
    let mut is_read = false;
    let mut is_raw = false;

    let mut prompt = Prompt::default();
    let body = Body::open(request, policy, &mut truncated);
    if !body.bytes.is_empty() {
        match dialect
            .filter(|_| !body.opaque)
            .and_then(|dialect| dialect.prompt(&body, policy))
        {
            Some(read) => {
                is_read = true;
                truncated = truncated.max(read.truncated);
                prompt = read.value;
            }
            None => {
                is_raw = true;
                let (message, cut) = raw::message(
                    Role::User,
                    body.content_type,
                    body.whole(),
                    policy.max_raw_bytes,
                );
                truncated = truncated.max(cut);
                prompt.messages.push(message);
            }
        }
    }

    let mut reply = Reply::default();
    if let Some((status, payload)) = response {
        let body = Body::open(payload, policy, &mut truncated);
        let read = dialect
            .filter(|_| !body.opaque && !body.bytes.is_empty())
            .and_then(|dialect| dialect.reply(&body, policy))
            .filter(|read| status < 400 || read.value.error.is_some());
        reply.streamed = body.is_event_stream();
        match read {
            Some(read) => {
                is_read = true;
                truncated = truncated.max(read.truncated);
                reply = read.value;
            }
            None if status >= 400 => {
                reply.error = Some(if body.opaque {
                    failure::plain(&body.bytes)
                } else {
                    failure::body(body.whole())
                });
            }
            None if body.bytes.is_empty() => {}
            None => {
                is_raw = true;
                let (message, cut) = raw::message(
                    Role::Assistant,
                    body.content_type,
                    body.whole(),
                    policy.max_raw_bytes,
                );
                truncated = truncated.max(cut);
                reply.choices.push(Choice {
                    index: 0,
                    message,
                    finish_reason: None,
                });
            }
        }
    }
    let provider = dialect
        .filter(|_| is_read || !is_raw)
        .map(Dialect::provider);
    Spoken {
        provider,
        prompt,
        reply,
        truncated,
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

/// A body without its content encoding.
struct Body<'a> {
    bytes: Cow<'a, [u8]>,
    content_type: &'a str,
    /// Bytes are missing at the end.
    cut: bool,
    /// The content encoding is not known.
    opaque: bool,
}

impl<'a> Body<'a> {
    fn open(payload: Payload<'a>, policy: &Policy, truncated: &mut Truncated) -> Self {
        let Payload {
            content_type,
            content_encoding,
            segments,
            truncated: cut,
        } = payload;
        let expanded = encoding::expand(segments, content_encoding, policy.max_decoded_bytes);
        if expanded.capped {
            *truncated = Truncated::Cap;
        }
        Self {
            bytes: expanded.bytes,
            content_type,
            cut: cut || expanded.capped || expanded.damaged,
            opaque: expanded.opaque,
        }
    }

    /// The bytes, but for a character that the cut has split.
    fn whole(&self) -> &[u8] {
        if self.cut {
            repair::whole_characters(&self.bytes)
        } else {
            &self.bytes
        }
    }

    fn source(&self) -> Cow<'_, str> {
        escape::json(self.whole())
    }

    fn is_event_stream(&self) -> bool {
        let essence = self
            .content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    }
}
