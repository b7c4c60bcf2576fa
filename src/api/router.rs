//! The routes, and what they share.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use http::request::Parts;
use tokio::time::timeout;

use super::{
    access,
    auth::{Authenticate, Principal},
    conversations,
    error::ApiError,
    messages, request,
};
use crate::{recorder::Recorder, store::Store};

/// The largest body that a route takes: room for any message, and none for a flood.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long a request waits for what was accepted before it.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);

/// The history API of what this recorder records.
///
/// It can be merged into an application or nested under a prefix, and should stand outside the
/// [`RecordingLayer`](crate::RecordingLayer):
///
/// | method and path | answers |
/// |---|---|
/// | `GET /conversations/{session_id}?limit` | the conversation with its latest messages |
/// | `GET /conversations/user/{user_identifier}?limit&offset` | a user's conversations, last active first |
/// | `POST /conversations/{session_id}/messages` | 201 and the message that was appended |
///
/// Bodies end at 1 MiB (413), `limit` at 500, `offset` at 10,000 (422). While the store is away
/// every route answers 503 with `Retry-After`.
///
/// # Examples
/// ```no_run
/// use tower_recording::{RecordingLayer, api};
///
/// # fn app() -> Result<axum::Router, Box<dyn std::error::Error>> {
/// let recording = RecordingLayer::from_env()?;
/// let keys: api::StaticKeys = "sk-alice:alice,sk-portal:*".parse()?;
/// let history = api::router(recording.recorder(), keys);
/// let app = axum::Router::new().layer(recording).merge(history);
/// # Ok(app)
/// # }
/// ```
pub fn router(recorder: Recorder, auth: impl Authenticate) -> Router {
    let state = ApiState {
        recorder,
        auth: Arc::new(auth),
    };
    Router::new()
        .route("/conversations/{session_id}", get(conversations::read))
        .route(
            "/conversations/user/{user_identifier}",
            get(conversations::list).post(reserved),
        )
        .route(
            "/conversations/{session_id}/messages",
            post(messages::append),
        )
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .route_layer(from_fn_with_state(state.clone(), access::authenticate))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(state)
}

/// A POST to what reads as a conversation named `user`.
async fn reserved() -> ApiError {
    request::reserved_session_id()
}

#[derive(Clone)]
pub(super) struct ApiState {
    recorder: Recorder,
    auth: Arc<dyn Authenticate>,
}

impl ApiState {
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
