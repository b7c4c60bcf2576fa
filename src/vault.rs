//! The budget for everything captured, and the pooled segments that it is spent on.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::pool::Pool;

/// Sizes of the segments that a body is kept in, each with how many idle ones are pooled, and how
/// many of them go round while little is asked of them: about as much as a core's cache holds, and of
/// the smallest two for each exchange that goes round.
///
/// Pooled, since memory freed on another thread than its own costs more than the copy, and memory
/// that is new to the process more than both; three sizes, so that thousands of idle streams hold
/// 4 KiB each. The smallest suffice for what 200,000 requests a second leave between two looks of a
/// writer. At most 36 MiB lie idle.
const CLASSES: [Class; 3] = [
    Class::new(4 << 10, 4096, 320),
    Class::new(16 << 10, 256, 8),
    Class::new(64 << 10, 256, 8),
];

struct Class {
    bytes: usize,
    pooled: usize,
    warm: usize,
}

impl Class {
    const fn new(bytes: usize, pooled: usize, warm: usize) -> Self {
        Self {
            bytes,
            pooled,
            warm,
        }
    }
}

/// What a part of the budget is for: payload is shed before metadata, and what is captured can
/// still be decoded.
///
/// In sixteenths of the budget, and of the default of 256 MiB:
///
/// | | | | |
/// |---|---|---|---|
/// | bodies | 8 | 128 MiB | charged |
/// | paths and headers | 1 | 16 MiB | charged |
/// | a body without its content encoding | 2 | 32 MiB | shared out among the writers |
/// | what is parsed of an exchange | 5 | 80 MiB | shared out among the writers |
///
/// So one writer can still read a compressed request that expands to the default cap of 32 MiB: its
/// text counts twice, and 16 MiB are left for some 19,000 objects. Rows that wait to be written are
/// charged too; from the second limit on a batch takes no more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    /// Bodies: half of the budget.
    Payload,
    /// Paths and headers: a sixteenth more.
    Metadata,
}

/// The budget and the pooled segments that all captures draw from.
pub(crate) struct Vault {
    max_bytes: usize,
    used: AtomicUsize,
    pools: [Pool<Vec<u8>>; 3],
}

impl Vault {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            used: AtomicUsize::new(0),
            pools: CLASSES.map(|class| Pool::new(class.pooled, class.warm)),
        }
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Bytes charged at the moment.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Whether nothing more can be charged without taking from what decoding needs.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used() >= self.limit(Share::Metadata)
    }

    /// What all writers may hold of bodies without their content encoding.
    pub(crate) fn max_expanded_bytes(&self) -> usize {
        self.max_bytes / 16 * 2
    }

    /// What all writers may hold of exchanges that they parse.
    pub(crate) fn max_parsed_bytes(&self) -> usize {
        self.max_bytes / 16 * 5
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
            Share::Payload => self.max_bytes / 16 * 8,
            Share::Metadata => self.max_bytes / 16 * 9,
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
            .position(|class| wanted <= class.bytes)
            .unwrap_or(CLASSES.len() - 1);
        let (size, pool) = (CLASSES.get(class)?.bytes, self.pools.get(class)?);
        if !self.try_charge(size, Share::Payload) {
            return None;
        }
        if let Some(segment) = pool.take() {
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
            .position(|class| segment.capacity() == class.bytes);
        self.release(segment.capacity());
        if let Some(pool) = class.and_then(|class| self.pools.get(class)) {
            segment.clear();
            pool.put(segment);
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
