//! The budget for everything captured, and the pooled segments that it is spent on.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use crossbeam_queue::ArrayQueue;

/// Sizes of the segments that a body is kept in, each with how many idle ones are pooled.
///
/// Pooled, since memory freed on another thread than its own costs more than the copy; three
/// sizes, so that thousands of idle streams hold 4 KiB each. At most 12 MiB lie idle.
const CLASSES: [(usize, usize); 3] = [(4 << 10, 1024), (16 << 10, 256), (64 << 10, 64)];

/// What a part of the budget is for: payload is shed before metadata, and what is captured can
/// still be decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    /// Bodies: three quarters of the budget.
    Payload,
    /// Paths and headers: an eighth more.
    Metadata,
    /// What a writer needs to decode an exchange: all of it.
    Decoding,
}

/// The budget and the pooled segments that all captures draw from.
pub(crate) struct Vault {
    max_bytes: usize,
    used: AtomicUsize,
    pools: [ArrayQueue<Vec<u8>>; 3],
}

impl Vault {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            used: AtomicUsize::new(0),
            pools: CLASSES.map(|(_, idle)| ArrayQueue::new(idle)),
        }
    }

    /// Bytes charged at the moment.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Whether all of the budget is charged.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used() >= self.max_bytes
    }

    /// Charges so many bytes for this use, if the budget has them.
    #[inline]
    pub(crate) fn try_charge(&self, bytes: usize, share: Share) -> bool {
        let limit = self.limit(share);
        // Looked at first, so that requests beyond the budget do not raise it for a moment.
        if self.used() + bytes > limit {
            return false;
        }
        if self.used.fetch_add(bytes, Relaxed) + bytes <= limit {
            return true;
        }
        self.release(bytes);
        false
    }

    #[inline]
    pub(crate) fn limit(&self, share: Share) -> usize {
        match share {
            Share::Payload => self.max_bytes / 4 * 3,
            Share::Metadata => self.max_bytes / 8 * 7,
            Share::Decoding => self.max_bytes,
        }
    }

    /// Charges so many bytes though the budget may not have them: they are held already.
    #[inline]
    pub(crate) fn charge(&self, bytes: usize) {
        self.used.fetch_add(bytes, Relaxed);
    }

    #[inline]
    pub(crate) fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    /// A segment with room for `wanted` bytes, or the largest there is; `None` over the budget.
    #[inline]
    pub(crate) fn segment(&self, wanted: usize) -> Option<Vec<u8>> {
        let class = CLASSES
            .iter()
            .position(|(size, _)| wanted <= *size)
            .unwrap_or(CLASSES.len() - 1);
        let (size, pool) = (CLASSES.get(class)?.0, self.pools.get(class)?);
        if !self.try_charge(size, Share::Payload) {
            return None;
        }
        if let Some(segment) = pool.pop() {
            return Some(segment);
        }
        let mut segment = Vec::new();
        if segment.try_reserve_exact(size).is_err() {
            self.release(size);
            return None;
        }
        Some(segment)
    }

    pub(crate) fn take_back(&self, mut segment: Vec<u8>) {
        let class = CLASSES
            .iter()
            .position(|(size, _)| segment.capacity() == *size);
        self.release(segment.capacity());
        if let Some(pool) = class.and_then(|class| self.pools.get(class)) {
            segment.clear();
            // A full pool gives the segment back, and it is freed here.
            drop(pool.push(segment));
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("max_bytes", &self.max_bytes)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}
