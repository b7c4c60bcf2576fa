//! Connections: opened when first needed, never more than allowed, kept while they are good.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use diesel::prelude::QueryResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    address::Address,
    error::{Doing, store_error},
    session::Session,
};
use crate::store::StoreError;

/// Connections of one kind.
pub(super) struct Pool {
    address: Arc<Address>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
    max_idle: usize,
    max_lifetime: Option<Duration>,
}

impl Pool {
    pub(super) fn new(
        address: Arc<Address>,
        max_open: usize,
        max_idle: usize,
        max_lifetime: Option<Duration>,
    ) -> Self {
        Self {
            address,
            places: Arc::new(Semaphore::new(max_open)),
            idle: Mutex::default(),
            max_idle,
            max_lifetime,
        }
    }

    /// Waits for a place, with an idle connection where there is a good one.
    ///
    /// # Errors
    /// Where no server can be logged in to.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        let mut session = match self.take_idle() {
            Some(session) => session,
            None => Session::open(&self.address).await?,
        };
        session.set_at_rest(false);
        Ok(Lease {
            pool: self,
            session,
            _place: place,
        })
    }

    /// Closes the connections that nobody uses.
    pub(super) fn close_idle(&self) {
        lock(&self.idle).clear();
    }

    /// The connection used last, which leaves the others to grow old.
    fn take_idle(&self) -> Option<Session> {
        let mut idle = lock(&self.idle);
        let good = |session: &Session| {
            let expired = |lifetime| session.opened.elapsed() > lifetime;
            !session.is_lost() && !self.max_lifetime.is_some_and(expired)
        };
        idle.retain(good);
        idle.pop()
    }
}

/// A connection on loan. Dropped without [`settle`](Self::settle), it is closed at once.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    pub(super) session: Session,
    _place: OwnedSemaphorePermit,
}

impl Lease<'_> {
    /// Ends the loan: after an error that may be the connection's it is not used again.
    pub(super) fn settle<T>(
        mut self,
        result: QueryResult<T>,
        doing: Doing,
    ) -> Result<T, StoreError> {
        let state = self.session.state();
        let result = result.map_err(|error| store_error(&error, state, doing));
        if !result.as_ref().is_err_and(StoreError::is_transient) && !self.session.is_lost() {
            self.session.set_at_rest(true);
            let mut idle = lock(&self.pool.idle);
            if idle.len() < self.pool.max_idle {
                idle.push(self.session);
            }
        }
        result
    }
}

/// Locks although another thread panicked: what these locks guard is whole at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
