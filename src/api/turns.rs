//! Turns among the requests that are answered, and what one principal may have of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use http::Method;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{auth::Principal, error::ApiError};

/// Requests that are answered at a time. Each may hold a page of 16 MiB, as rows and as JSON.
const AT_A_TIME: usize = 8;
/// Deletions at a time, beside those: one may take minutes, in which others are to be read.
const DELETED_AT_A_TIME: usize = 2;
/// Of one principal at a time, from the first byte of a body to the last one of an answer.
const OF_ONE: usize = AT_A_TIME / 2;
/// Large answers that are being sent. Each may hold 16 MiB of JSON.
const SENT_AT_A_TIME: usize = 16;
/// How long a request waits for its turn.
const WAIT_AT_MOST: Duration = Duration::from_secs(5);

/// A place that is given back when this is dropped.
pub(super) type Permit = OwnedSemaphorePermit;

#[derive(Debug)]
pub(super) struct Turns {
    answered: Arc<Semaphore>,
    deleted: Arc<Semaphore>,
    sent: Arc<Semaphore>,
    /// The shares of those who have a request here.
    shares: Mutex<HashMap<Principal, Weak<Semaphore>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            answered: Arc::new(Semaphore::new(AT_A_TIME)),
            deleted: Arc::new(Semaphore::new(DELETED_AT_A_TIME)),
            sent: Arc::new(Semaphore::new(SENT_AT_A_TIME)),
            shares: Mutex::default(),
        }
    }
}

impl Turns {
    /// Waits until the principal has fewer requests here than it may have.
    ///
    /// # Errors
    /// 429 where that takes too long.
    pub(super) async fn share(&self, principal: &Principal) -> Result<Permit, ApiError> {
        let share = self.share_of(principal).acquire_owned();
        match timeout(WAIT_AT_MOST, share).await {
            Ok(Ok(share)) => Ok(share),
            _ => Err(ApiError::too_many_of_yours()),
        }
    }

    /// Waits for a turn among the requests that are answered, or among the deletions.
    ///
    /// # Errors
    /// 503 where none comes in time.
    pub(super) async fn turn(&self, method: &Method) -> Result<Permit, ApiError> {
        let turns = match *method {
            Method::DELETE => &self.deleted,
            _ => &self.answered,
        };
        let turn = Arc::clone(turns).acquire_owned();
        match timeout(WAIT_AT_MOST, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(ApiError::busy()),
        }
    }

    /// A place among the large answers that are being sent.
    ///
    /// # Errors
    /// 503 where there is none: who would wait for one holds an answer.
    pub(super) fn sending(&self) -> Result<Permit, ApiError> {
        let place = Arc::clone(&self.sent).try_acquire_owned();
        place.map_err(|_| ApiError::busy())
    }

    fn share_of(&self, principal: &Principal) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(principal).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(OF_ONE));
        shares.insert(principal.clone(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn deletions_that_take_long_hold_up_no_reads() {
        let turns = Turns::default();
        let mut deletions = Vec::new();
        for _ in 0..DELETED_AT_A_TIME {
            deletions.push(turns.turn(&Method::DELETE).await.unwrap());
        }
        assert!(turns.turn(&Method::DELETE).now_or_never().is_none());
        let mut reads = Vec::new();
        for _ in 0..AT_A_TIME {
            reads.push(turns.turn(&Method::GET).await.unwrap());
        }
        deletions.pop();
        drop(turns.turn(&Method::DELETE).await.unwrap());
    }

    #[tokio::test]
    async fn of_those_who_have_no_request_here_nothing_is_kept() {
        let turns = Turns::default();
        let user = |number: usize| Principal::User(number.to_string());
        for number in 0..100 {
            drop(turns.share(&user(number)).await.unwrap());
        }
        let kept = turns.share(&Principal::Application).await.unwrap();
        assert_eq!(turns.shares.lock().unwrap().len(), 1);
        drop(kept);
    }
}
