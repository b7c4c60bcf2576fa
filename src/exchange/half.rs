//! The half of an exchange that its request's body shares.

use std::sync::{
    Mutex, MutexGuard, PoisonError, TryLockError,
    atomic::{
        AtomicU8, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use bytes::Buf;

use crate::{capture::Capture, vault::Vault};

/// The request's half, which its body and the exchange share.
#[derive(Debug, Default)]
pub(crate) struct RequestHalf {
    capture: Mutex<Capture>,
    /// A [`RequestEnd`], beside the lock: a writer that looks whether there is more to come must not
    /// be in the way of what comes.
    end: AtomicU8,
    /// What the capture takes of the budget, to be read without its lock.
    held: AtomicUsize,
}

/// How far the inner service read the request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RequestEnd {
    /// It is still being read.
    #[default]
    Open,
    /// To its end.
    Complete,
    /// It failed, or was dropped before its end.
    Incomplete,
}

impl RequestHalf {
    /// The capture, unless a writer has taken it: a request never waits for the recorder.
    #[inline]
    pub(crate) fn try_capture(&self) -> Option<MutexGuard<'_, Capture>> {
        match self.capture.try_lock() {
            Ok(capture) => Some(capture),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The capture, after at most the copy of one frame. What comes from now on is not copied into
    /// it, so whoever takes it takes it for good.
    pub(crate) fn capture(&self) -> MutexGuard<'_, Capture> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a frame into the capture, unless a writer has taken it.
    pub(crate) fn extend(&self, vault: &Vault, data: &impl Buf) {
        if let Some(mut capture) = self.try_capture() {
            capture.extend(vault, data);
            self.held.store(capture.held_bytes(), Relaxed);
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Begins the capture, as [`Capture::begin`] does, where nobody shares it.
    pub(crate) fn begin(
        &mut self,
        vault: &Vault,
        cap: usize,
        expected: Option<u64>,
        write_prefix: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let capture = self.get_mut();
        let begun = capture.begin(vault, cap, expected, write_prefix);
        let held = capture.held_bytes();
        *self.held.get_mut() = held;
        begun
    }

    #[inline]
    fn get_mut(&mut self) -> &mut Capture {
        let capture = self.capture.get_mut();
        capture.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn end(&self) -> RequestEnd {
        match self.end.load(Acquire) {
            0 => RequestEnd::Open,
            1 => RequestEnd::Complete,
            _ => RequestEnd::Incomplete,
        }
    }

    /// Says how it ended. Later ends do not count.
    pub(crate) fn settle(&self, end: RequestEnd) {
        let open = RequestEnd::Open as u8;
        let _ = self.end.compare_exchange(open, end as u8, Release, Relaxed);
    }

    /// Makes it as new, its segments returned.
    pub(super) fn reset(&mut self, vault: &Vault) {
        self.get_mut().give_back(vault);
        *self.end.get_mut() = RequestEnd::Open as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_looks_at_a_request_is_not_in_the_way_of_its_end() {
        let half = RequestHalf::default();
        let capture = half.capture();
        assert_eq!(half.end(), RequestEnd::Open);
        half.settle(RequestEnd::Complete);
        half.settle(RequestEnd::Incomplete);
        assert_eq!(half.end(), RequestEnd::Complete);
        drop(capture);
        // Looking takes no lock, so a frame finds none.
        assert!(half.try_capture().is_some());
    }
}
