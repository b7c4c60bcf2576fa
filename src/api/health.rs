//! Whether the process lives, and whether it records: asked by those who start and stop processes.

use std::time::{Duration, Instant};

use axum::extract::State;
use tokio::{sync::Mutex, time::timeout};

use super::{error::ApiError, json::ErrorJson, state::ApiState};
use crate::{
    id::Id,
    recorder::Recorder,
    store::{Store, StoreError},
};

/// A store that takes longer does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Nobody needs a key to ask, so the store is asked no more often.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// The process lives
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "isAlive",
    security(()),
    responses((status = 200, description = "It does", body = String)),
)]
pub(super) async fn alive() -> &'static str {
    "ok"
}

/// The store answers and the queue is not full
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "isReady",
    security(()),
    responses(
        (status = 200, description = "So it is", body = String),
        (status = 503, description = "It does not record", body = ErrorJson),
    ),
)]
pub(super) async fn ready(State(state): State<ApiState>) -> Result<&'static str, ApiError> {
    state.readiness().check(state.recorder()).await?;
    Ok("ok")
}

/// Whether the store answered when it was last asked.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    async fn check(&self, recorder: &Recorder) -> Result<(), ApiError> {
        if recorder.channel().is_full() {
            return Err(ApiError::queue_full());
        }
        let mut last = self.0.lock().await;
        let fresh = last.filter(|(asked, _)| asked.elapsed() < KEPT_FOR);
        let answers = match fresh {
            Some((_, answers)) => answers,
            None => {
                let answers = answers(recorder.store().as_ref()).await;
                *last = Some((Instant::now(), answers));
                answers
            }
        };
        match answers {
            true => Ok(()),
            false => Err(ApiError::store_unavailable()),
        }
    }
}

async fn answers(store: &dyn Store) -> bool {
    let nothing = store.conversation(Id::from_bytes([0; 16]));
    matches!(
        timeout(ANSWER_WITHIN, nothing).await,
        Ok(Ok(_) | Err(StoreError::Unsupported(_)))
    )
}
