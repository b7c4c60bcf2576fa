//! One request/response pair as it was captured.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::Instant,
};

use crate::{capture::Capture, context::RecordingContext, id::Id, outcome::Outcome, vault::Vault};

/// One request/response pair with its timings, handed to a writer when the response has ended.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Set where the client was told.
    pub(crate) id: Option<Id>,
    pub(crate) started: Instant,
    /// When the first byte of the response's body came.
    pub(crate) first_byte: Option<Instant>,
    pub(crate) ended: Instant,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Outcome,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) request_context: Option<RecordingContext>,
    pub(crate) response_context: Option<RecordingContext>,
    /// Exchanges of one conversation have the same, and so go to one writer, in order.
    pub(crate) shard: u64,
    /// Path and headers are its prefix. The request's body shares it until it has ended.
    pub(crate) request: Arc<RequestHalf>,
    /// Its content type and encoding are its prefix.
    pub(crate) response: Capture,
}

impl Exchange {
    /// An exchange that begins now.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            id: None,
            started: now,
            first_byte: None,
            ended: now,
            status: None,
            outcome: Outcome::ClientAbortBeforeHead,
            peer: None,
            request_context: None,
            response_context: None,
            shard: 0,
            request: Arc::default(),
            response: Capture::default(),
        }
    }

    /// Makes it as new, its segments returned.
    pub(crate) fn reset(&mut self, vault: &Vault) {
        let Self {
            id: _,
            started: _,
            first_byte,
            ended: _,
            status,
            outcome,
            peer: _,
            request_context,
            response_context,
            shard: _,
            request,
            response,
        } = self;
        *first_byte = None;
        *status = None;
        *outcome = Outcome::ClientAbortBeforeHead;
        (*request_context, *response_context) = (None, None);
        response.give_back(vault);
        // A request's body that is still alive keeps its half.
        match Arc::get_mut(request) {
            Some(half) => half.reset(vault),
            None => *request = Arc::default(),
        }
    }
}

/// The request's half, which its body and the exchange share.
#[derive(Debug, Default)]
pub(crate) struct RequestHalf(Mutex<RequestState>);

/// What is known of the request's body.
#[derive(Debug, Default)]
pub(crate) struct RequestState {
    pub(crate) capture: Capture,
    pub(crate) end: RequestEnd,
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
    /// The state, unless a writer has taken it: a request never waits for the recorder.
    pub(crate) fn try_state(&self) -> Option<MutexGuard<'_, RequestState>> {
        match self.0.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The state, after at most the copy of one frame.
    pub(crate) fn state(&self) -> MutexGuard<'_, RequestState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, where nobody shares it.
    pub(crate) fn get_mut(&mut self) -> &mut RequestState {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it as new, its segments returned.
    fn reset(&mut self, vault: &Vault) {
        let state = self.get_mut();
        state.capture.give_back(vault);
        state.end = RequestEnd::Open;
    }
}
