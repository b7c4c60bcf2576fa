//! Bytes kept of a body, under its cap.

use std::fmt;

use bytes::Buf;

use crate::{
    outcome::Truncated,
    vault::{Share, Vault},
};

/// What path and allow-listed headers usually need; a longer prefix grows its segment.
const USUAL_PREFIX: usize = 512;

/// The copy of one body, with a prefix of the recorder's own before it.
#[derive(Default)]
pub(crate) struct Capture {
    current: Vec<u8>,
    full: Vec<Vec<u8>>,
    prefix: usize,
    /// How many more bytes may be kept in the current segment: all that a frame has to ask.
    open: usize,
    /// How many more bytes may be kept in the segments after it.
    room: usize,
    shed: u64,
    /// How long the body is, where known.
    expected: Option<u64>,
    truncated: Truncated,
}

impl Capture {
    /// Begins a copy of at most `cap` bytes behind what `write_prefix` writes; `expected` says how
    /// long the body is, where known.
    ///
    /// Over the budget for payload the prefix alone is kept; `false` over that for metadata, too.
    pub(crate) fn begin(
        &mut self,
        vault: &Vault,
        cap: usize,
        expected: Option<u64>,
        write_prefix: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let body = expected.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(cap).min(cap));
        self.room = cap;
        self.expected = expected;
        self.current = match vault.segment(body.saturating_add(USUAL_PREFIX)) {
            Some(segment) => segment,
            None if vault.used() < vault.limit(Share::Metadata) => {
                self.shed(0, Truncated::Budget);
                Vec::new()
            }
            None => {
                self.shed(0, Truncated::Budget);
                return false;
            }
        };
        let charged = self.current.capacity();
        write_prefix(&mut self.current);
        self.prefix = self.current.len();
        vault.charge(self.current.capacity() - charged);
        self.open();
        true
    }

    /// Copies what a data frame holds, without advancing it.
    #[inline]
    pub(crate) fn extend(&mut self, vault: &Vault, data: &impl Buf) {
        let chunk = data.chunk();
        if chunk.len() == data.remaining() {
            self.extend_slice(vault, chunk);
        } else {
            self.extend_chunks(vault, data);
        }
    }

    #[inline]
    fn extend_slice(&mut self, vault: &Vault, bytes: &[u8]) {
        if bytes.len() <= self.open {
            self.open -= bytes.len();
            self.current.extend_from_slice(bytes);
        } else {
            self.extend_slowly(vault, bytes);
        }
    }

    /// Opens what is free of the current segment.
    fn open(&mut self) {
        self.open = self.room.min(self.current.capacity() - self.current.len());
        self.room -= self.open;
    }

    #[cold]
    fn extend_slowly(&mut self, vault: &Vault, mut bytes: &[u8]) {
        loop {
            let (now, later) = bytes.split_at(self.open.min(bytes.len()));
            self.open -= now.len();
            self.current.extend_from_slice(now);
            bytes = later;
            if bytes.is_empty() {
                return;
            }
            if self.room == 0 {
                return self.shed(bytes.len(), Truncated::Cap);
            }
            // Four times what there is: a stream of unknown length goes through the sizes.
            let wanted = bytes.len().max(self.current.capacity() * 4);
            let Some(segment) = vault.segment(wanted) else {
                return self.shed(bytes.len(), Truncated::Budget);
            };
            let filled = std::mem::replace(&mut self.current, segment);
            if filled.capacity() > 0 {
                self.full.push(filled);
            }
            self.open();
        }
    }

    #[cold]
    fn extend_chunks(&mut self, vault: &Vault, data: &impl Buf) {
        let mut slices = [std::io::IoSlice::new(&[]); 64];
        let filled = data.chunks_vectored(&mut slices);
        let mut copied = 0;
        for slice in slices.iter().take(filled) {
            self.extend_slice(vault, slice);
            copied += slice.len();
        }
        // A buffer that does not show all of its pieces can only be read by consuming it.
        if copied < data.remaining() {
            self.shed(data.remaining() - copied, Truncated::Cap);
        }
    }

    /// Leaves out so many bytes, and all that come.
    fn shed(&mut self, bytes: usize, why: Truncated) {
        self.shed += bytes as u64;
        (self.open, self.room) = (0, 0);
        self.truncated = self.truncated.max(why);
    }

    /// Whether all of a body has passed whose length was known.
    pub(crate) fn has_seen_all(&self) -> bool {
        self.expected.is_some_and(|length| self.seen() >= length)
    }

    pub(crate) fn seen(&self) -> u64 {
        let kept: usize = self.segments().map(<[u8]>::len).sum();
        kept as u64 + self.shed
    }

    /// How many bytes of the body have passed and were not kept.
    pub(crate) fn shed_bytes(&self) -> u64 {
        self.shed
    }

    pub(crate) fn truncated(&self) -> Truncated {
        self.truncated
    }

    /// What the recorder put before the body.
    pub(crate) fn prefix(&self) -> &[u8] {
        let first = self.full.first().unwrap_or(&self.current);
        first.get(..self.prefix).unwrap_or_default()
    }

    /// The body, in the pieces in which it was kept.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.full
            .iter()
            .chain([&self.current])
            .enumerate()
            .map(|(index, segment)| {
                let skip = if index == 0 { self.prefix } else { 0 };
                segment.get(skip..).unwrap_or_default()
            })
            .filter(|segment| !segment.is_empty())
    }

    /// Returns every segment to the vault; the capture is as new.
    pub(crate) fn give_back(&mut self, vault: &Vault) {
        let Self { current, full, .. } = std::mem::take(self);
        for segment in full.into_iter().chain([current]) {
            if segment.capacity() > 0 {
                vault.take_back(segment);
            }
        }
    }
}

/// What passes is nobody's to log.
impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("seen", &self.seen())
            .field("truncated", &self.truncated)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn body(capture: &Capture) -> Vec<u8> {
        capture.segments().flatten().copied().collect()
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_body_up_to_the_cap(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..30),
            cap in 0usize..200_000,
            prefix in prop::collection::vec(any::<u8>(), 0..300),
            tell_length in any::<bool>(),
        ) {
            let whole: Vec<u8> = frames.concat();
            let vault = Vault::new(1 << 30);
            let mut capture = Capture::default();
            let expected = tell_length.then_some(whole.len() as u64);
            capture.begin(&vault, cap, expected, |segment| segment.extend(&prefix));
            for frame in &frames {
                capture.extend(&vault, &Bytes::from(frame.clone()));
            }
            prop_assert_eq!(capture.prefix(), &prefix[..]);
            prop_assert_eq!(body(&capture), &whole[..whole.len().min(cap)]);
            prop_assert_eq!(capture.seen(), whole.len() as u64);
            prop_assert_eq!(capture.truncated() == Truncated::Cap, whole.len() > cap);
            capture.give_back(&vault);
            prop_assert_eq!(vault.used(), 0);
        }
    }

    #[test]
    fn over_the_budget_payload_is_shed_before_metadata() {
        let vault = Vault::new(6 << 10);
        let mut first = Capture::default();
        first.begin(&vault, usize::MAX, None, |segment| {
            segment.extend(b"prefix");
        });
        first.extend(&vault, &Bytes::from(vec![7; 10_000]));
        assert_eq!(first.truncated(), Truncated::Budget);
        assert_eq!(first.seen(), 10_000);
        assert_eq!(first.shed, 10_006 - (4 << 10));

        let mut second = Capture::default();
        assert!(second.begin(&vault, 9, None, |segment| segment.extend([1; 1300])));
        second.extend(&vault, &Bytes::from_static(b"payload"));
        assert_eq!(second.prefix().len(), 1300);
        assert_eq!((second.seen(), second.shed), (7, 7));
        assert_eq!(second.truncated(), Truncated::Budget);

        let mut third = Capture::default();
        assert!(!third.begin(&vault, 9, None, |_| ()));
        first.give_back(&vault);
        second.give_back(&vault);
        assert_eq!(vault.used(), 0);
    }

    #[test]
    fn what_the_budget_refused_stays_empty_when_there_is_room_again() {
        let vault = Vault::new(16 << 10);
        vault.charge(15 << 10);
        let mut refused = Capture::default();
        assert!(!refused.begin(&vault, 100, None, |segment| segment.push(1)));
        vault.release(15 << 10);
        refused.extend(&vault, &Bytes::from_static(b"late"));
        assert_eq!(refused.truncated(), Truncated::Budget);
        assert_eq!((refused.seen(), body(&refused).len()), (4, 0));
        assert_eq!(vault.used(), 0);
    }

    #[test]
    fn a_buffer_in_pieces_is_copied_whole() {
        let vault = Vault::new(1 << 20);
        let mut capture = Capture::default();
        capture.begin(&vault, 1000, None, |_| ());
        let pieces = Bytes::from_static(b"one ").chain(Bytes::from_static(b"two"));
        capture.extend(&vault, &pieces);
        assert_eq!(body(&capture), b"one two");
        assert_eq!(capture.truncated(), Truncated::No);
    }
}
