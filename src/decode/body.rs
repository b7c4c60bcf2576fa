//! A body without its content encoding.

use std::borrow::Cow;

use super::{Payload, Policy, Unread, encoding, estimate, repair};
use crate::{escape, outcome::Truncated};

/// A body without its content encoding.
pub(super) struct Body<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) content_type: &'a str,
    /// Bytes are missing at the end.
    pub(super) cut: bool,
    /// The content encoding is not known.
    pub(super) opaque: bool,
    /// What expansion had to leave out.
    pub(super) truncated: Truncated,
}

/// The text of a body, in which every string is in stored form.
pub(super) struct Source<'a> {
    pub(super) text: Cow<'a, str>,
    /// What may still be taken to read it.
    pub(super) room: usize,
}

impl<'a> Body<'a> {
    pub(super) fn open(payload: Payload<'a>, policy: &Policy) -> Self {
        let Payload {
            content_type,
            content_encoding,
            error_type: _,
            segments,
            truncated: cut,
        } = payload;
        let expanded = encoding::expand(segments, content_encoding, policy.max_decoded_bytes);
        Self {
            bytes: expanded.bytes,
            content_type,
            cut: cut || expanded.capped || expanded.damaged,
            opaque: expanded.opaque,
            truncated: match expanded.capped {
                true => Truncated::Cap,
                false => Truncated::No,
            },
        }
    }

    /// The bytes, but for a character that the cut has split.
    pub(super) fn whole(&self) -> &[u8] {
        if self.cut {
            repair::whole_characters(&self.bytes)
        } else {
            &self.bytes
        }
    }

    /// The text; a copy of it counts against what may be taken.
    pub(super) fn source(&self, policy: &Policy) -> Result<Source<'_>, Unread> {
        let bytes = self.whole();
        let limit = policy.max_parsed_bytes;
        if bytes.len().saturating_mul(escape::MAX_GROWTH) > limit {
            let stored_bytes = escape::max_json_bytes(bytes);
            if stored_bytes > bytes.len() && stored_bytes > limit {
                return Err(Unread::TooLarge);
            }
        }
        let text = escape::json(bytes);
        let copied = match &text {
            Cow::Owned(copy) => copy.len(),
            Cow::Borrowed(_) => 0,
        };
        let room = limit.checked_sub(copied).ok_or(Unread::TooLarge)?;
        Ok(Source { text, room })
    }

    /// The text of a document that is parsed as a whole, where there is room for that, and what of the room
    /// it goes on taking: every text but once.
    pub(super) fn document(&self, policy: &Policy) -> Result<(Source<'_>, usize), Unread> {
        let source = self.source(policy)?;
        let estimate = estimate::document(&source.text, source.room);
        if estimate > source.room {
            return Err(Unread::TooLarge);
        }
        let held = estimate.saturating_sub(source.text.len());
        Ok((source, held))
    }

    pub(super) fn is_event_stream(&self) -> bool {
        self.is_of_type("text/event-stream")
    }

    pub(super) fn is_amazon_stream(&self) -> bool {
        self.is_of_type("application/vnd.amazon.eventstream")
    }

    /// Whether it is a stream of documents, one a line.
    pub(super) fn is_line_stream(&self) -> bool {
        [
            "application/x-ndjson",
            "application/stream+json",
            "application/jsonl",
            "application/ndjson",
        ]
        .into_iter()
        .any(|media_type| self.is_of_type(media_type))
    }

    fn is_of_type(&self, media_type: &str) -> bool {
        let essence = self
            .content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        essence.eq_ignore_ascii_case(media_type)
    }
}
