//! Things that are kept for the next who needs one.

use std::fmt;

use crossbeam_queue::ArrayQueue;

/// A pool of idle things, the least of it in use where little is asked of it.
///
/// A queue gives back the one that has lain longest, which no cache holds any more. So a few are
/// handed from one to the next, and the others wait for a rush.
pub(crate) struct Pool<T> {
    warm: ArrayQueue<T>,
    spare: ArrayQueue<T>,
}

impl<T> Pool<T> {
    /// A pool of at most so many, of which `warm` go round.
    pub(crate) fn new(most: usize, warm: usize) -> Self {
        Self {
            warm: ArrayQueue::new(warm.max(1)),
            spare: ArrayQueue::new(most.saturating_sub(warm).max(1)),
        }
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<T> {
        self.warm.pop().or_else(|| self.spare.pop())
    }

    /// Keeps it; a full pool drops it.
    #[inline]
    pub(crate) fn put(&self, idle: T) {
        if let Err(idle) = self.warm.push(idle) {
            drop(self.spare.push(idle));
        }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle", &(self.warm.len() + self.spare.len()))
            .finish()
    }
}
