//! What the routes share.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::request::Parts;

use super::{
    auth::{Authenticate, Principal},
    health::Readiness,
    settling::Settling,
    sizes::Sizes,
    turns::Turns,
};
use crate::{recorder::Recorder, store::Store};

#[derive(Clone)]
pub(super) struct ApiState {
    recorder: Recorder,
    auth: Arc<dyn Authenticate>,
    description: Bytes,
    turns: Arc<Turns>,
    settling: Arc<Settling>,
    readiness: Arc<Readiness>,
    sizes: Arc<Sizes>,
}

impl ApiState {
    pub(super) fn new(recorder: Recorder, auth: Arc<dyn Authenticate>, description: Bytes) -> Self {
        Self {
            recorder,
            auth,
            description,
            turns: Arc::default(),
            settling: Arc::default(),
            readiness: Arc::default(),
            sizes: Arc::default(),
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

    /// The API's own, as JSON.
    pub(super) fn description(&self) -> &Bytes {
        &self.description
    }

    pub(super) fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    pub(super) fn principal(&self, head: &Parts) -> Option<Principal> {
        self.auth.authenticate(head)
    }

    /// Waits until what was accepted before can be read, or until the client has waited long enough.
    pub(super) async fn settle(&self) {
        self.settling.settle(&self.recorder).await;
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}
