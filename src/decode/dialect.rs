//! The wire formats that can be read, and the paths at which they are spoken.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::{Policy, Read, Unread, body::Body, openai_chat, repaired};
use crate::conversation::{Prompt, Reply};

/// The wire formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAiChat,
    OpenAiCompletions,
}

impl Dialect {
    /// The dialect that is spoken at a path (without a query), however that is percent-encoded: the one place that knows.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let path = path.as_bytes();
        // Asked of every request: what is not encoded is not copied.
        Self::at(path).or_else(|| {
            memchr::memchr(b'%', path)?;
            Self::at(&Cow::from(percent_decode(path)))
        })
    }

    fn at(mut path: &[u8]) -> Option<Self> {
        while let Some(shorter) = path.strip_suffix(b"/") {
            path = shorter;
        }
        let (before, last) = split(path);
        match last {
            b"completions" => match split(before).1 {
                b"chat" | b"agents" => Some(Self::OpenAiChat),
                _ => Some(Self::OpenAiCompletions),
            },
            _ => None,
        }
    }

    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::OpenAiChat | Self::OpenAiCompletions => "openai",
        }
    }

    /// Reads a request; what of it stands in the path (without a query, as it came) is read there.
    pub(super) fn prompt(
        self,
        _path: &str,
        body: &Body<'_>,
        policy: &Policy,
    ) -> Result<Read<Prompt>, Unread> {
        let (source, held) = body.document(policy)?;
        let read = repaired(&source.text, body.cut, |source| match self {
            Self::OpenAiChat | Self::OpenAiCompletions => {
                openai_chat::prompt(source, policy.keep_media)
            }
        });
        let read = read.ok_or(Unread::Unknown)?;
        Ok(Read { held, ..read })
    }

    pub(super) fn reply(self, body: &Body<'_>, policy: &Policy) -> Result<Read<Reply>, Unread> {
        let source = body.source(policy)?;
        let policy = Policy {
            max_parsed_bytes: source.room,
            ..*policy
        };
        match self {
            Self::OpenAiChat | Self::OpenAiCompletions => {
                openai_chat::reply(&source.text, body.is_event_stream(), body.cut, &policy)
            }
        }
    }
}

/// The last segment of a path, and what stands before it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let Some((before, last)) = memchr::memrchr(b'/', path).and_then(|at| path.split_at_checked(at))
    else {
        return (&[], path);
    };
    (before, last.get(1..).unwrap_or_default())
}
