//! Pages of lists, and the places where they end.

use std::{fmt, str::FromStr};

use super::{Conversation, UnixMillis};
use crate::{id::Id, partition::Day};

/// The long texts of a page come to at most so much, unless one row alone has more: enough for any
/// conversation that a person reads, and little enough to be held several times over.
pub(crate) const MAX_PAGE_BYTES: usize = 16 << 20;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Whether there are more.
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            has_more: false,
        }
    }
}

/// The room on a page of rows, which is filled from the newest row on.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[derive(Debug)]
pub(super) struct Room {
    rows: usize,
    /// `None`: the first row fits, whatever its size.
    bytes: Option<usize>,
    /// Whether there was a row without room.
    pub(super) has_more: bool,
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
impl Room {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows,
            bytes: None,
            has_more: false,
        }
    }

    /// How many rows to look at: one more than fit tells whether there are more.
    pub(super) fn to_look_at(&self) -> usize {
        self.rows.saturating_add(1)
    }

    /// Takes the room of a row of this size, if it fits.
    pub(super) fn fits(&mut self, size: usize) -> bool {
        let left = match self.bytes {
            None => Some(MAX_PAGE_BYTES.saturating_sub(size)),
            Some(bytes) => bytes.checked_sub(size),
        };
        self.has_more = self.rows == 0 || left.is_none();
        if !self.has_more {
            self.rows -= 1;
            self.bytes = left;
        }
        !self.has_more
    }
}

/// A place in a user's list of conversations, which the next page begins behind.
///
/// Written as text and read back it stays the same, also when the conversation that stands there
/// moves or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last day on which the conversation was active.
    pub(crate) last_day: Day,
    /// Its newest row's time.
    pub(crate) updated_at: UnixMillis,
    pub(crate) id: Id,
}

impl Place {
    /// Where this conversation stands.
    pub fn of(conversation: &Conversation) -> Self {
        Self {
            last_day: conversation.last_day,
            updated_at: conversation.updated_at,
            id: conversation.id,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.last_day, self.updated_at, self.id)
    }
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '_');
        let mut part = || parts.next().ok_or(ParsePlaceError);
        Ok(Self {
            last_day: Day::parse(part()?).ok_or(ParsePlaceError)?,
            updated_at: part()?.parse().map_err(|_| ParsePlaceError)?,
            id: part()?.parse().map_err(|_| ParsePlaceError)?,
        })
    }
}

/// A text is no [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a list")]
pub struct ParsePlaceError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_as_it_was_written() {
        let place = Place {
            last_day: Day::from_unix_ms(1_736_942_400_000),
            updated_at: -1,
            id: Id::from_bytes([7; 16]),
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "2025-01-15", "2025-01-15_1_", "2025-01-15_x_0"] {
            assert_eq!(text.parse::<Place>(), Err(ParsePlaceError), "{text}");
        }
    }
}
