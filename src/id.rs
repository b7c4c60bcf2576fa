//! The ids of exchanges, rows and conversations.

use std::{fmt, str::FromStr};

use uuid::{Builder, Uuid, Variant, Version};

/// The bits of an exchange's id that tell its rows apart: 22 bits, so four million rows an exchange.
const ROW_BITS: u32 = 22;
const RANDOM_BITS: u32 = 62 - ROW_BITS;

/// A 16-byte id, written as a UUID.
///
/// Exchanges and rows have version 7 (they begin with the time, to the millisecond, at which the
/// exchange began, so an id tells its day); conversations have version 8 (a hash of whom they belong to).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, in the order in which they are written.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id behind this one.
    pub(crate) fn next(self) -> Self {
        Self(u128::from_be_bytes(self.0).saturating_add(1).to_be_bytes())
    }

    /// The time that a version 7 id begins with, in milliseconds since 1970 UTC.
    pub fn unix_ms(&self) -> i64 {
        let [a, b, c, d, e, f, ..] = self.0;
        i64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The id of an exchange that began at this time, in nanoseconds since 1970 UTC.
    ///
    /// After the milliseconds comes their fraction in 4096ths, so that exchanges sort by their
    /// start; then the row (0: the exchange itself); then chance.
    pub(crate) fn exchange(unix_nanos: u64) -> Self {
        let ms = unix_nanos / 1_000_000;
        let fraction = (unix_nanos % 1_000_000) * 4096 / 1_000_000;
        let chance = fastrand::u64(..1 << RANDOM_BITS);
        let high = (ms << 16) | fraction;
        let bits = (u128::from(high) << 64) | u128::from(chance);
        let uuid = Builder::from_u128(bits)
            .with_version(Version::SortRand)
            .with_variant(Variant::RFC4122)
            .into_uuid();
        Self(uuid.into_bytes())
    }

    /// The id of the exchange's row with this number, from 1. It sorts behind those of lower numbers.
    ///
    /// Rows past the last number there is share its id; decoding stops at a 240th of that.
    pub(crate) fn row(self, number: usize) -> Self {
        let number = (number as u128).min((1 << ROW_BITS) - 1);
        let bits = u128::from_be_bytes(self.0) | (number << RANDOM_BITS);
        Self(bits.to_be_bytes())
    }

    /// The id of the conversation that this user of this tenant calls `session_id`.
    pub(crate) fn conversation(tenant: &str, named_user: Option<&str>, session_id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        let (named, user) = match named_user {
            Some(user) => (1u8, user),
            None => (0, ""),
        };
        hasher.update(&[named]);
        for part in [tenant, user, session_id] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(Builder::from_custom_bytes(bytes).into_uuid().into_bytes())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text)
            .map(|uuid| Self(uuid.into_bytes()))
            .map_err(|_| ParseIdError)
    }
}

/// The text is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct ParseIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_an_exchange_sort_by_number_and_tell_its_time() {
        let exchange = Id::exchange(1_763_689_281_123_456_789);
        assert_eq!(exchange.unix_ms(), 1_763_689_281_123);
        let rows: Vec<Id> = (0..5000).map(|number| exchange.row(number)).collect();
        assert!(rows.is_sorted());
        assert!(rows.iter().all(|row| row.unix_ms() == exchange.unix_ms()));
        assert!(exchange.to_string().chars().nth(14) == Some('7'));
        assert_eq!(rows[7].to_string().parse(), Ok(rows[7]));
    }

    #[test]
    fn a_row_beyond_the_last_number_never_takes_the_id_of_an_early_one() {
        let exchange = Id::exchange(1_763_689_281_123_456_789);
        let last = exchange.row((1 << ROW_BITS) - 1);
        assert!(exchange.row((1 << ROW_BITS) - 2) < last);
        for number in [1 << ROW_BITS, (1 << ROW_BITS) + 1, usize::MAX] {
            assert_eq!(exchange.row(number), last, "{number}");
        }
        assert_eq!(last.unix_ms(), exchange.unix_ms());
    }

    #[test]
    fn exchanges_sort_by_their_start_within_a_millisecond() {
        let first = Id::exchange(1_763_689_281_123_100_000).row(9);
        let second = Id::exchange(1_763_689_281_123_200_000).row(1);
        assert!(first < second);
    }

    #[test]
    fn the_scope_of_a_conversation_cannot_be_forged_by_moving_a_border() {
        let ids = [
            Id::conversation("", None, "ab"),
            Id::conversation("", Some(""), "ab"),
            Id::conversation("", Some("a"), "b"),
            Id::conversation("a", Some(""), "b"),
            Id::conversation("a", None, "b"),
            Id::conversation("", Some("ab"), ""),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(ids[index + 1..].iter().all(|other| other != id));
            assert_eq!(id.to_string().chars().nth(14), Some('8'));
        }
    }
}
