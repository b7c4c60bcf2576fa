// The README's links into `docs/` lead to the same texts here: of two definitions the first holds.
//! [recording]: guide::recording
//! [databases]: guide::databases
//! [operating]: guide::operating
//! [figures]: guide::figures
//!
#![doc = include_str!("../README.md")]
#![warn(missing_docs, unreachable_pub)]

// The modules stand in the order in which the data goes.

// The ways in, and the middleware.
mod builder;
mod layer;
mod service;
mod future;
mod body;

// What is copied on the request path.
mod rules;
mod context;
mod prefix;
mod recording;
mod capture;
mod vault;
mod exchange;

// The hand-over.
mod channel;
mod metrics;
mod recorder;
mod settings;

// From bytes to rows, on the recorder's own threads.
mod writer;
mod identity;
mod decode;
mod redact;
mod thread;
mod span;
pub mod conversation;
mod outcome;
mod id;
mod escape;

#[cfg(any(test, feature = "internals"))]
#[doc(hidden)]
pub mod internals;

// Where the rows are kept.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mysql")),
    expect(dead_code, reason = "without a database there are days, but no tables")
)]
mod partition;
mod pool;
pub mod store;

// The history, by hand.
pub mod history;

pub mod guide;

// The history, over HTTP.
#[cfg(feature = "api")]
pub mod api;

pub use self::{
    body::RecordingBody,
    builder::{BuildError, RecordingLayerBuilder},
    context::{PeerAddr, RecordingContext},
    decode::{CapturedBody, Decode},
    escape::unescape,
    future::ResponseFuture,
    id::{Id, ParseIdError},
    identity::{DEFAULT_HINT_NAMES, DEFAULT_SESSION_NAMES, DEFAULT_USER_NAMES},
    layer::RecordingLayer,
    metrics::{Histogram, Metrics},
    outcome::{Outcome, Truncated},
    recorder::{Recorder, ShutdownReport},
    redact::{Patterns, Redact},
    service::RecordingService,
    settings::{
        DEFAULT_BATCH_ROWS, DEFAULT_BUDGET_BYTES, DEFAULT_FLUSH_INTERVAL, DEFAULT_INFER_WITHIN,
        DEFAULT_MAX_IDLE_CONNS, DEFAULT_MAX_LIFETIME, DEFAULT_MAX_OPEN_CONNS,
        DEFAULT_MAX_REQUEST_BYTES, DEFAULT_MAX_RESPONSE_BYTES, DEFAULT_QUEUE_EXCHANGES,
        DEFAULT_SESSION_HEADER, DEFAULT_TAG_PREFIX, DEFAULT_WRITER_THREADS,
    },
};
