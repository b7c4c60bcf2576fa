//! Records every LLM conversation that passes through a Tower stack.

mod body;
mod builder;
mod capture;
mod channel;
mod context;
pub mod conversation;
mod decode;
mod escape;
mod exchange;
mod future;
mod id;
mod identity;
mod layer;
mod metrics;
mod outcome;
mod partition;
mod prefix;
mod recorder;
mod recording;
mod rules;
mod service;
mod settings;
pub mod store;
mod writer;

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
