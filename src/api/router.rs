//! The routes.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn_with_state, routing::post};
use utoipa::{OpenApi as _, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    access,
    auth::Authenticate,
    conversations, edit,
    error::ApiError,
    export, failures, health, messages,
    openapi::{self, Description},
    request, search,
    state::ApiState,
    stats, upkeep,
};
use crate::recorder::Recorder;

/// The largest body that a route takes: room for any message, and none for a flood.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The history API of what this recorder records.
///
/// It can be merged into an application or nested under a prefix, and should stand outside the
/// [`RecordingLayer`](crate::RecordingLayer):
///
/// | method and path | answers |
/// |---|---|
/// | `POST /conversations` (and with a slash) | 201 and the conversation; `session_id` is made where it is left out |
/// | `GET /conversations/user/{user_identifier}?limit&offset&after` | a user's conversations, last active first |
/// | `GET /conversations/{session_id}?limit&tree` | the conversation with its latest messages |
/// | `PUT /conversations/{session_id}` | the conversation, renamed |
/// | `DELETE /conversations/{session_id}` | how much was deleted; nothing of it can be read afterwards |
/// | `POST /conversations/{session_id}/messages` | 201 and the message that was appended |
/// | `GET /conversations/{session_id}/messages?limit&before&format` | messages, oldest first; `format=openai`: as a chat completion takes them |
/// | `GET /conversations/{session_id}/errors?limit` | the exchanges that failed |
/// | `GET /conversations/{session_id}/export?format` | streamed: `openai-jsonl`, `markdown` or `csv` |
/// | `GET /conversations/user/{user_identifier}/stats?from&to` | what the user said and spent |
/// | `GET /conversations/user/{user_identifier}/export?format` | streamed, every conversation of the user |
/// | `DELETE /conversations/user/{user_identifier}` | erases the user: how much was deleted, by table |
/// | `GET /search?q&user_identifier&model&from&to&limit&after` | messages that hold a text, newest first, and the days that were searched |
/// | `GET /partitions` | tables with rows and bytes (application's key) |
/// | `DELETE /partitions?before=2025-01-01` | drops older days (application's key) |
/// | `GET /metrics` | the recorder's counters and histograms, and the sizes of days, as Prometheus text (application's key) |
/// | `GET /healthz` | 200 while the process lives |
/// | `GET /docs`, `GET /openapi.json` | this API's description, as a page and as OpenAPI 3.1 |
/// | `GET /readyz` | 200 while the store answers and the recorder's queue is not full, else 503 |
///
/// A parameter or field that a route does not take is refused with its name (400). Bodies end at 1 MiB
/// (413) and 10 s (408), `limit` at 500, `offset` at 10,000 (422). A page ends
/// early, with `has_more`, at 16 MiB of JSON. An export has no end but its own: a CSV has every branch
/// of a conversation, the other formats its current one. A search covers 31 days unless `from` says
/// otherwise, at most 366, and goes on behind its `next` where it would take long. More than four requests of one principal at a time wait,
/// up to 5 s, and get 429; `/metrics` waits for nothing. While the store is away every route but `/healthz`,
/// `/metrics`, `/docs` and `/openapi.json`, which do without it, answers 503. Both have `Retry-After`.
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
    let (
        Routes {
            keyed,
            at_once,
            open,
        },
        description,
    ) = routes();
    // What serde can write of it cannot fail.
    let description = serde_json::to_vec(&description).unwrap_or_default();
    let state = ApiState::new(recorder, Arc::new(auth), description.into());
    let [keyed, at_once, open] = [keyed, at_once, open]
        .map(|routes| routes.method_not_allowed_fallback(async || ApiError::method_not_allowed()));
    let at_once = at_once.route_layer(from_fn_with_state(
        state.clone(),
        access::authenticate_at_once,
    ));
    keyed
        .route_layer(from_fn_with_state(state.clone(), access::authenticate))
        .merge(at_once)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .merge(open)
        .with_state(state)
}

pub(super) struct Routes {
    /// They need a key, and see all that was accepted before.
    keyed: Router<ApiState>,
    /// They need a key, and wait neither for that nor for a turn.
    at_once: Router<ApiState>,
    open: Router<ApiState>,
}

/// The routes, and what is said of them.
pub(super) fn routes() -> (Routes, OpenApi) {
    let keyed = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(edit::create))
        .routes(routes!(edit::create_with_slash))
        .routes(routes!(conversations::read, edit::rename, edit::delete))
        .routes(routes!(messages::list, messages::append))
        .routes(routes!(failures::list))
        .routes(routes!(export::conversation))
        .routes(routes!(conversations::list, edit::erase))
        .route("/conversations/user/{user_identifier}", post(reserved))
        .routes(routes!(stats::read))
        .routes(routes!(export::user))
        .routes(routes!(search::search))
        .routes(routes!(upkeep::partitions, upkeep::drop));
    let at_once = OpenApiRouter::new().routes(routes!(upkeep::metrics));
    let open = OpenApiRouter::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::read))
        .routes(routes!(openapi::page));
    let (keyed, mut description) = keyed.split_for_parts();
    let [(at_once, of_at_once), (open, of_open)] =
        [at_once, open].map(OpenApiRouter::split_for_parts);
    description.merge(of_at_once);
    description.merge(of_open);
    let routes = Routes {
        keyed,
        at_once,
        open,
    };
    (routes, description)
}

/// A POST to what reads as a conversation named `user`.
async fn reserved() -> ApiError {
    request::reserved_session_id()
}
