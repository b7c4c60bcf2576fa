//! The layer: one line in a gateway's stack.

use tower::Layer;

use crate::{recorder::Recorder, service::RecordingService};

/// Records every LLM conversation that passes through the services it wraps.
///
/// ```
/// use tower_recording::RecordingLayer;
/// # fn main() {
/// let layer = RecordingLayer::new("sqlite::memory:");
/// let recorder = layer.recorder();
/// let app: axum::Router = axum::Router::new()
///     .route("/v1/chat/completions", axum::routing::post(|| async { "…" }))
///     .layer(layer);
/// # drop((app, recorder));
/// # }
/// ```
///
/// Cloning is cheap; clones share one [`Recorder`].
#[derive(Clone, Debug)]
pub struct RecordingLayer {
    recorder: Recorder,
}

impl RecordingLayer {
    pub(crate) fn from_recorder(recorder: Recorder) -> Self {
        Self { recorder }
    }

    /// The handle to what this layer records: to flush, to shut down, to count and to read.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }
}

impl<S> Layer<S> for RecordingLayer {
    type Service = RecordingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RecordingService::new(inner, self.recorder.clone())
    }
}
