//! Bytes kept of a body, under its cap.

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Buf;

use crate::{
    outcome::Truncated,
    vault::{Share, Vault},
};

/// What path and allow-listed headers usually need; a longer prefix grows its segment.
const USUAL_PREFIX: usize = 512;

/// Longer frames are copied in pieces of so many bytes: libc leaves a longer copy to the processor's
/// `rep movsb`, which was seen to take seventeen times as long where source and target lie unluckily
/// within their pages.
const PIECE: usize = 2 << 10;

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
    /// What the segments take of the budget.
    held: usize,
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
        self.held = self.current.capacity();
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
        if bytes.len() <= self.open.min(PIECE) {
            self.open -= bytes.len();
            self.current.extend_from_slice(bytes);
        } else {
            self.extend_slowly(vault, bytes);
        }
    }

    /// Opens what is free of the current segment.
    #[inline]
    fn open(&mut self) {
        self.open = self.room.min(self.current.capacity() - self.current.len());
        self.room -= self.open;
    }

    #[inline(never)]
    fn extend_slowly(&mut self, vault: &Vault, mut bytes: &[u8]) {
        loop {
            let (now, later) = bytes.split_at(self.open.min(bytes.len()));
            self.open -= now.len();
            for piece in now.chunks(PIECE) {
                self.current.extend_from_slice(piece);
            }
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
            self.held += segment.capacity();
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

    /// Bytes of the budget that it takes.
    #[inline]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held
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
