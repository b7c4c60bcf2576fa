//! The servers that are compared.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use outlet::{RequestData, RequestHandler, RequestLoggerConfig, RequestLoggerLayer, ResponseData};
use tokio::sync::watch;
use tower::Layer;
use tower_http::trace::TraceLayer;
use tower_recording::{Recorder, RecordingLayer};

use crate::{
    FRAMES,
    server::{Upstream, serve},
    store::Discarding,
};

/// The bare one first.
pub const ARMS: [&str; 6] = [
    "bare",
    "discard",
    "decode",
    "sqlite",
    "TraceLayer",
    "outlet",
];

/// What became of exchanges since it was last asked: accepted, written and dropped.
pub type Counts = [u64; 3];

/// A server that is running.
pub struct Arm {
    pub address: SocketAddr,
    watch: Watch,
    last: Counts,
}

enum Watch {
    Nothing,
    Recorder(Recorder),
    Outlet(Arc<AtomicU64>),
}

impl Arm {
    /// Starts the server with this name; `dsn` is where one that writes does so.
    pub async fn start(name: &str, dsn: &str) -> Self {
        let (_, open) = watch::channel(true);
        let upstream = Upstream::new(FRAMES, open.clone());
        let recorded = match name {
            "discard" => Some(RecordingLayer::new("discard:")),
            "decode" => {
                let layer = RecordingLayer::with_store(Arc::new(Discarding { open })).build();
                Some(layer.expect("a layer"))
            }
            "sqlite" => Some(RecordingLayer::new(dsn)),
            _ => None,
        };
        let (address, watch) = match (recorded, name) {
            (Some(layer), _) => {
                let address = serve(layer.layer(upstream)).await;
                (address, Watch::Recorder(layer.recorder()))
            }
            (None, "TraceLayer") => {
                tracing_subscriber::fmt()
                    .with_max_level(tracing::Level::DEBUG)
                    .with_writer(io::sink)
                    .init();
                let address = serve(TraceLayer::new_for_http().layer(upstream)).await;
                (address, Watch::Nothing)
            }
            (None, "outlet") => {
                let handled = Arc::new(AtomicU64::new(0));
                let discard = Discard(Arc::clone(&handled));
                let layer = RequestLoggerLayer::new(RequestLoggerConfig::default(), discard);
                (serve(layer.layer(upstream)).await, Watch::Outlet(handled))
            }
            (None, _) => (serve(upstream).await, Watch::Nothing),
        };
        Self {
            address,
            watch,
            last: Counts::default(),
        }
    }

    /// Lets the recorder catch up, and says what became of exchanges since the last time.
    pub async fn counts(&mut self) -> Counts {
        let now = match &self.watch {
            Watch::Nothing => return Counts::default(),
            Watch::Recorder(recorder) => {
                recorder.flush().await;
                let metrics = recorder.metrics();
                let written = metrics.written + metrics.discarded;
                let dropped = metrics.dropped() + metrics.dropped_budget;
                [metrics.accepted, written, dropped]
            }
            Watch::Outlet(handled) => [handled.load(SeqCst), handled.load(SeqCst), 0],
        };
        let since = std::array::from_fn(|index| now[index] - self.last[index]);
        self.last = now;
        since
    }
}

/// The peer's handler that keeps nothing.
struct Discard(Arc<AtomicU64>);

impl RequestHandler for Discard {
    async fn handle_request(&self, _: RequestData) {}

    async fn handle_response(&self, _: RequestData, _: ResponseData) {
        self.0.fetch_add(1, SeqCst);
    }
}
