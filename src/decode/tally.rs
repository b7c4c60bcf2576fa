//! What of a stream could not be read, and what reading it takes.

use serde_json::json;

use super::{Read, Unread, estimate};
use crate::{conversation::Reply, escape, outcome::Truncated};

/// How much of the first event that is none of the dialect is kept.
const MAX_UNPARSED_CHARS: usize = 1000;

/// The account of a stream.
///
/// An event is parsed and thrown away. Where it might take more than the reply so far leaves of the room, it
/// is left out. One that is none of the dialect is counted in `other["unparsed_events"]` of the first choice,
/// with the text of the first one.
#[derive(Debug, Default)]
pub(super) struct Tally {
    room: usize,
    /// What the reply takes in memory so far, as `estimate` has it.
    pub(super) held: usize,
    pub(super) truncated: Truncated,
    unparsed: usize,
    first_unparsed: String,
    refused: usize,
    refused_bytes: u64,
}

impl Tally {
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// Whether there is room to parse an event; one without is counted.
    pub(super) fn admits(&mut self, data: &str) -> bool {
        let fits = estimate::fits(data, self.room.saturating_sub(self.held));
        if !fits {
            self.refused += 1;
            self.refused_bytes += data.len() as u64;
        }
        fits
    }

    /// Adds to what the reply takes; false where there is no room for that.
    pub(super) fn holds(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.room.saturating_sub(self.held);
        if fits {
            self.held += bytes;
        }
        fits
    }

    /// Counts an event that is none of the dialect.
    pub(super) fn unread(&mut self, data: &str) {
        if self.unparsed == 0 {
            self.first_unparsed = escape::first_chars(data, MAX_UNPARSED_CHARS).to_owned();
        }
        self.unparsed += 1;
    }

    /// Why nothing was read, though there was something.
    pub(super) fn why_unread(&self) -> Option<Unread> {
        match (self.refused, self.unparsed) {
            (0, 0) => None,
            (0, _) => Some(Unread::Unknown),
            _ => Some(Unread::TooLarge),
        }
    }

    /// Closes the account of this reply.
    pub(super) fn finish(self, mut reply: Reply) -> Read<Reply> {
        if let (Some(first), true) = (reply.choices.first_mut(), self.unparsed > 0) {
            let events = json!({ "count": self.unparsed, "first": self.first_unparsed });
            let other = &mut first.message.other;
            other.insert("unparsed_events".to_owned(), events);
        }
        let truncated = match self.refused {
            0 => self.truncated,
            _ => Truncated::Budget,
        };
        Read {
            shed_bytes: self.refused_bytes,
            ..Read::new(reply, truncated)
        }
    }
}
