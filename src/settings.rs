//! The recorder's settings and their defaults.

use std::time::Duration;

/// The largest part of a request's body that is captured: 32 MiB, the largest body that the
/// providers take with images inline.
pub const DEFAULT_MAX_REQUEST_BYTES: usize = 32 << 20;
/// The largest part of a response's body that is captured: 8 MiB, several times the longest reply.
pub const DEFAULT_MAX_RESPONSE_BYTES: usize = 8 << 20;
/// The budget for everything captured, bodies in flight included: 256 MiB.
pub const DEFAULT_BUDGET_BYTES: usize = 256 << 20;
/// Exchanges that may wait for a writer: 16,384, some seconds of a busy gateway.
pub const DEFAULT_QUEUE_EXCHANGES: usize = 16_384;
/// Rows that make a batch: 500, where the databases' gain levels off.
pub const DEFAULT_BATCH_ROWS: usize = 500;
/// How long an exchange may wait for its batch to fill: 100 ms.
pub const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Threads that decode and write: one, which a gateway on two cores does not outrun.
pub const DEFAULT_WRITER_THREADS: usize = 1;
/// Connections to the database at the most, readers and writers together: 500, as in MES.
pub const DEFAULT_MAX_OPEN_CONNS: u32 = 500;
/// Connections kept while idle at the most: 50, as in MES.
pub const DEFAULT_MAX_IDLE_CONNS: u32 = 50;
/// How long a connection may live: 300 s, as in MES.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(300);
/// A conversation without an id is found by its history within this time of its last answer: 7 days.
pub const DEFAULT_INFER_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// The header that names the conversation.
pub const DEFAULT_SESSION_HEADER: &str = "x-session-id";
/// Headers that begin like this become tags.
pub const DEFAULT_TAG_PREFIX: &str = "x-tag-";

/// The largest part of a body that nothing can decode: 64 KiB, enough to see what it was.
pub(crate) const MAX_RAW_BYTES: usize = 64 << 10;

/// What the writers need to know.
#[derive(Clone, Debug)]
pub(crate) struct WriterSettings {
    pub(crate) batch_rows: usize,
    pub(crate) flush_interval: Duration,
    /// A conversation whose last answer is older is not found by its history.
    pub(crate) infer_within: Duration,
    /// Days kept beside today.
    pub(crate) retention_days: Option<u32>,
    pub(crate) keep_media: bool,
    /// Whether spans have what was said.
    pub(crate) span_content: bool,
    /// A compressed body is expanded to at most so many bytes.
    pub(crate) max_request_bytes: usize,
    pub(crate) max_response_bytes: usize,
}
