//! What the routes share.

use std::{fmt, sync::Arc, time::Duration};

use http::request::Parts;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    auth::{Authenticate, Principal},
    error::ApiError,
    health::Readiness,
    settling::Settling,
};
use crate::{recorder::Recorder, store::Store};

/// Requests that are answered at a time. Each may hold a page of 16 MiB, as rows and as JSON.
const AT_A_TIME: usize = 8;
/// How long a request waits for its turn.
const WAIT_AT_MOST: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct ApiState {
    recorder: Recorder,
    auth: Arc<dyn Authenticate>,
    turns: Arc<Semaphore>,
    settling: Arc<Settling>,
    readiness: Arc<Readiness>,
}

impl ApiState {
    pub(super) fn new(recorder: Recorder, auth: Arc<dyn Authenticate>) -> Self {
        Self {
            recorder,
            auth,
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            settling: Arc::default(),
            readiness: Arc::default(),
        }
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.recorder.store().as_ref()
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    pub(super) fn principal(&self, head: &Parts) -> Option<Principal> {
        self.auth.authenticate(head)
    }

    /// Waits until what was accepted before can be read, or until the client has waited long enough.
    pub(super) async fn settle(&self) {
        self.settling.settle(&self.recorder).await;
    }

    /// Waits for a turn among the requests that are answered.
    ///
    /// # Errors
    /// 503 where none comes in time.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match timeout(WAIT_AT_MOST, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(ApiError::busy()),
        }
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}
