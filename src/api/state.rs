//! What the routes share.

use std::{fmt, sync::Arc, time::Duration};

use http::request::Parts;
use tokio::time::timeout;

use super::auth::{Authenticate, Principal};
use crate::{recorder::Recorder, store::Store};

/// How long a request waits for what was accepted before it.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct ApiState {
    recorder: Recorder,
    auth: Arc<dyn Authenticate>,
}

impl ApiState {
    pub(super) fn new(recorder: Recorder, auth: Arc<dyn Authenticate>) -> Self {
        Self { recorder, auth }
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.recorder.store().as_ref()
    }

    pub(super) fn principal(&self, head: &Parts) -> Option<Principal> {
        self.auth.authenticate(head)
    }

    /// Waits until what was accepted before can be read, or until the client has waited long enough.
    pub(super) async fn settle(&self) {
        // A store that is away says so when it is read.
        let _ = timeout(SETTLE_AT_MOST, self.recorder.flush()).await;
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorder, auth: _ } = self;
        f.debug_struct("ApiState")
            .field("recorder", recorder)
            .finish_non_exhaustive()
    }
}
