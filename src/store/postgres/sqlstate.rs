//! The codes of the errors that the server sends.
//!
//! diesel hands on an error's text, which is in the server's language, but not its SQLSTATE. So the
//! stream is read along: frames of a tag, a length and a body, of which only errors are looked into.

use std::{
    fmt,
    str::from_utf8,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// More than the fields before the code ever take: severity, twice, and its own five letters.
const MAX_ERROR_BYTES: usize = 256;
const HEADER_BYTES: usize = 5;

/// Five letters and digits, such as `42501`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SqlState([u8; 5]);

impl SqlState {
    pub(super) const DEADLOCK: Self = Self(*b"40P01");
    pub(super) const SERIALIZATION: Self = Self(*b"40001");
    pub(super) const NO_PARTITION: Self = Self(*b"23514");
    /// What Citus says of whatever a node has refused while rows were copied to it.
    pub(super) const INTERNAL: Self = Self(*b"XX000");
    pub(super) const NO_TABLE: Self = Self(*b"42P01");
    pub(super) const NO_RIGHT: Self = Self(*b"42501");
    pub(super) const DUPLICATE_TABLE: Self = Self(*b"42P07");
    pub(super) const LOCK_TIMEOUT: Self = Self(*b"55P03");
    /// What a cached plan says whose columns have other types now.
    const CHANGED_PLAN: Self = Self(*b"0A000");
    const NO_STATEMENT: Self = Self(*b"26000");

    /// The state with these letters, if they are five.
    pub(super) fn new(code: &str) -> Option<Self> {
        let code = code.as_bytes().try_into().ok()?;
        Some(Self(code)).filter(|Self(code)| code.iter().all(u8::is_ascii_alphanumeric))
    }

    /// Whether somebody else was in the way.
    pub(super) fn is_in_the_way(self) -> bool {
        matches!(self, Self::DEADLOCK | Self::LOCK_TIMEOUT)
    }

    /// Whether a connection's prepared statements are no longer what they were.
    pub(super) fn is_stale_statement(self) -> bool {
        matches!(self, Self::CHANGED_PLAN | Self::NO_STATEMENT)
    }

    /// Its class, the first two letters.
    pub(super) fn class(&self) -> &str {
        from_utf8(&self.0[..2]).unwrap_or_default()
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first code seen on one connection since it was last cleared; 0 where there was none. What was
/// sent behind a statement that failed fails with it.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstState(Arc<AtomicU64>);

impl FirstState {
    pub(super) fn get(&self) -> Option<SqlState> {
        let [code @ .., _, _, _] = self.0.load(Ordering::Relaxed).to_be_bytes();
        (code != [0; 5]).then_some(SqlState(code))
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn set(&self, SqlState([a, b, c, d, e]): SqlState) {
        let code = u64::from_be_bytes([a, b, c, d, e, 0, 0, 0]);
        let relaxed = Ordering::Relaxed;
        // An error: there is an earlier one.
        let _ = self.0.compare_exchange(0, code, relaxed, relaxed);
    }
}

/// Follows the frames that a server sends.
#[derive(Debug, Default)]
pub(super) struct Frames {
    first: FirstState,
    header: Vec<u8>,
    body_left: usize,
    /// The begin of an error's body, while one is passing.
    error: Option<Vec<u8>>,
}

impl Frames {
    /// Where the codes are to be read.
    pub(super) fn first_state(&self) -> FirstState {
        self.first.clone()
    }

    /// Takes the next bytes, however they are cut.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.body_left == 0 {
                let wanted = HEADER_BYTES - self.header.len();
                let (head, rest) = bytes.split_at(wanted.min(bytes.len()));
                self.header.extend_from_slice(head);
                bytes = rest;
                self.begin_body();
            } else {
                let (body, rest) = bytes.split_at(self.body_left.min(bytes.len()));
                self.body_left -= body.len();
                if let Some(error) = &mut self.error {
                    let room = MAX_ERROR_BYTES - error.len();
                    error.extend_from_slice(&body[..room.min(body.len())]);
                }
                bytes = rest;
                self.end_body();
            }
        }
    }

    fn begin_body(&mut self) {
        if let &[tag, a, b, c, d] = self.header.as_slice() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            self.body_left = length.saturating_sub(HEADER_BYTES - 1);
            self.error = (tag == b'E').then(Vec::new);
            self.header.clear();
        }
    }

    fn end_body(&mut self) {
        if self.body_left == 0
            && let Some(error) = self.error.take()
            && let Some(state) = code_of(&error)
        {
            self.first.set(state);
        }
    }
}

/// The field `C` of an error's body: fields of a letter and a text that ends in 0.
fn code_of(error: &[u8]) -> Option<SqlState> {
    let mut fields = error.split(|byte| *byte == 0);
    let code = fields.find_map(|field| field.strip_prefix(b"C"))?;
    SqlState::new(from_utf8(code).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag][..], &length.to_be_bytes(), body].concat()
    }

    proptest! {
        #[test]
        fn the_code_is_found_however_the_bytes_are_cut(cuts in prop::collection::vec(1usize..40, 1..60)) {
            let long = [b"SERROR\0VERROR\0C23514\0M".as_slice(), &[b'x'; 900], b"\0\0"].concat();
            let bytes = [
                frame(b'Z', b"I"),
                frame(b'D', b"E\0\0\0\x20SERROR\0C40001\0\0"),
                frame(b'E', &long),
                frame(b'2', b""),
                frame(b'N', b"SWARNING\0C01000\0\0"),
                frame(b'E', b"SERROR\0C25P02\0\0"),
            ]
            .concat();
            let mut frames = Frames::default();
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                frames.read(now);
                rest = later;
            }
            prop_assert_eq!(frames.first_state().get(), Some(SqlState::NO_PARTITION));
        }

        #[test]
        fn no_stream_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            Frames::default().read(&bytes);
        }
    }

    #[test]
    fn a_code_is_five_letters_or_none() {
        assert_eq!(code_of(b"SERROR\0C1234\0\0"), None);
        assert_eq!(code_of(b"SERROR\0MCxxxxx\0\0"), None);
        assert_eq!(code_of(b"C40P01\0\0"), Some(SqlState::DEADLOCK));
        assert_eq!(SqlState::DEADLOCK.class(), "40");
        assert_eq!(FirstState::default().get(), None);
    }
}
