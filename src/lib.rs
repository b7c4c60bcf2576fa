//! Records every LLM conversation that passes through a Tower stack.

mod builder;
mod layer;
mod service;
mod future;
mod body;
mod recording;
mod context;
mod rules;
mod prefix;
mod identity;
mod capture;
mod exchange;
mod channel;
mod metrics;
mod recorder;
mod settings;
mod decode;
mod escape;
pub mod conversation;
mod id;
mod outcome;
mod writer;
pub mod store;

pub use self::{
    body::RecordingBody,
    builder::{BuildError, RecordingLayerBuilder},
    context::{PeerAddr, RecordingContext},
    future::ResponseFuture,
    id::{Id, ParseIdError},
    layer::RecordingLayer,
    metrics::Metrics,
    outcome::{Outcome, Truncated},
    recorder::{Recorder, ShutdownReport},
    service::RecordingService,
    settings::{
        DEFAULT_BATCH_ROWS, DEFAULT_BUDGET_BYTES, DEFAULT_FLUSH_INTERVAL,
        DEFAULT_MAX_REQUEST_BYTES, DEFAULT_MAX_RESPONSE_BYTES, DEFAULT_QUEUE_EXCHANGES,
        DEFAULT_SESSION_HEADER, DEFAULT_TAG_PREFIX, DEFAULT_WRITER_THREADS,
    },
};
