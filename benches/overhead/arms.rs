//! The services that are compared: bare, and under each layer.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{Request, Response};
use outlet::{RequestData, RequestHandler, RequestLoggerConfig, RequestLoggerLayer, ResponseData};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt};
use tower_http::trace::TraceLayer;
use tower_recording::{Recorder, RecordingLayer};
use tracing::{Dispatch, dispatcher};

use crate::{
    traffic::Exchange,
    upstream::{Upstream, drain},
};

const RECORDED: &str = "/v1/chat/completions";
const UNRECORDED: &str = "/v1/models";

/// A service under test.
pub struct Arm {
    pub name: &'static str,
    serve: Serve,
    watch: Watch,
    served: u64,
}

/// Serves so many exchanges, and says how long that took.
type Serve = Box<dyn FnMut(&Runtime, u64) -> Duration>;

enum Watch {
    Nothing,
    Recorder(Recorder),
    Outlet(Arc<AtomicU64>),
}

/// Every arm, for one kind of exchange; the bare one first.
pub fn all(exchange: Exchange) -> Vec<Arm> {
    let ours = RecordingLayer::builder("discard:")
        .budget_bytes(1 << 30)
        .build()
        .expect("a layer");
    let recorder = ours.recorder();
    let handled = Arc::new(AtomicU64::new(0));
    let outlet = RequestLoggerLayer::new(
        RequestLoggerConfig::default(),
        Discard(Arc::clone(&handled)),
    );
    let upstream = Upstream(exchange);
    let arm = |name, serve, watch| Arm {
        name,
        serve,
        watch,
        served: 0,
    };
    vec![
        arm(
            "bare",
            serving(upstream, exchange, RECORDED),
            Watch::Nothing,
        ),
        arm(
            "tower-recording",
            serving(ours.layer(upstream), exchange, RECORDED),
            Watch::Recorder(recorder),
        ),
        arm(
            "other path",
            serving(ours.layer(upstream), exchange, UNRECORDED),
            Watch::Nothing,
        ),
        arm("TraceLayer", traced(upstream, exchange), Watch::Nothing),
        arm(
            "outlet",
            serving(outlet.layer(upstream), exchange, RECORDED),
            Watch::Outlet(handled),
        ),
    ]
}

impl Arm {
    /// Serves so many exchanges, and says how long that took. The recorder then catches up, untimed.
    pub fn serve(&mut self, runtime: &Runtime, times: u64) -> Duration {
        let spent = (self.serve)(runtime, times);
        self.served += times;
        match &self.watch {
            Watch::Nothing => {}
            Watch::Recorder(recorder) => runtime.block_on(recorder.flush()),
            Watch::Outlet(handled) => {
                while handled.load(SeqCst) < self.served {
                    std::thread::yield_now();
                }
            }
        }
        spent
    }

    /// What was accepted and dropped.
    pub fn counts(&self) -> String {
        match &self.watch {
            Watch::Nothing => String::new(),
            Watch::Recorder(recorder) => {
                let metrics = recorder.metrics();
                format!(
                    "accepted {}, dropped {}, truncated {}",
                    metrics.accepted,
                    metrics.dropped() + metrics.dropped_budget,
                    metrics.truncated_cap + metrics.truncated_budget
                )
            }
            Watch::Outlet(handled) => format!("handled {}", handled.load(SeqCst)),
        }
    }

    pub fn assert_nothing_dropped(&self) {
        if let Watch::Recorder(recorder) = &self.watch {
            let metrics = recorder.metrics();
            assert_eq!(metrics.accepted, self.served, "void: {metrics:?}");
            assert_eq!(metrics.discarded, self.served, "void: {metrics:?}");
            assert_eq!(metrics.shed_bytes, 0, "void: {metrics:?}");
        }
    }
}

fn serving<S, B>(service: S, exchange: Exchange, path: &'static str) -> Serve
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    B: http_body::Body,
{
    Box::new(move |runtime, times| {
        let mut service = service.clone();
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..times {
                let Ok(service) = service.ready().await;
                let Ok(response) = service.call(exchange.request(path)).await;
                drain(response.into_body()).await;
            }
            began.elapsed()
        })
    })
}

/// Under a subscriber that formats at the layer's own level and throws the lines away.
fn traced(upstream: Upstream, exchange: Exchange) -> Serve {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(io::sink)
        .finish();
    let dispatch = Dispatch::new(subscriber);
    let mut serve = serving(
        TraceLayer::new_for_http().layer(upstream),
        exchange,
        RECORDED,
    );
    Box::new(move |runtime, times| dispatcher::with_default(&dispatch, || serve(runtime, times)))
}

/// The peer's handler that keeps nothing.
struct Discard(Arc<AtomicU64>);

impl RequestHandler for Discard {
    async fn handle_request(&self, _: RequestData) {}

    async fn handle_response(&self, _: RequestData, _: ResponseData) {
        self.0.fetch_add(1, SeqCst);
    }
}
