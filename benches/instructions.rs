//! Serves exchanges for `scripts/callgrind`, which counts the instructions of [`serve`].
//!
//! `instructions <bare|ours> <json_1k_2k|sse_500|sse_2000> <chunks>`

#[path = "overhead/traffic.rs"]
#[allow(dead_code, reason = "the timed benchmark reads more of an exchange")]
mod traffic;
#[path = "overhead/upstream.rs"]
mod upstream;

use std::{convert::Infallible, env, process::ExitCode};

use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};
use tower_recording::{Recorder, RecordingLayer};

use traffic::{Exchange, exchanges};
use upstream::{Upstream, drain};

/// The example gateway's. What glibc's does for one thread's request depends on what another thread
/// has freed until then.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exchanges between two pauses for the recorder: few enough that its pools never run dry.
const CHUNK: usize = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [arm @ ("bare" | "ours"), kind, chunks] = arguments[..] else {
        println!("skipped: run by scripts/callgrind");
        return ExitCode::SUCCESS;
    };
    let exchange = exchanges().into_iter().find(|known| known.name == kind);
    let (Some(exchange), Ok(chunks)) = (exchange, chunks.parse()) else {
        eprintln!("no such kind or number: {kind} {chunks}");
        return ExitCode::FAILURE;
    };
    if arm == "bare" {
        serve_chunks(Upstream(exchange), exchange, chunks, None);
    } else {
        let layer = RecordingLayer::new("discard:");
        let recorder = layer.recorder();
        serve_chunks(
            layer.layer(Upstream(exchange)),
            exchange,
            chunks,
            Some(&recorder),
        );
        let (metrics, served) = (recorder.metrics(), (chunks * CHUNK) as u64);
        assert_eq!(metrics.discarded, served, "void: {metrics:?}");
        assert_eq!(metrics.shed_bytes, 0, "void: {metrics:?}");
    }
    ExitCode::SUCCESS
}

fn serve_chunks<S, B>(service: S, exchange: Exchange, chunks: usize, recorder: Option<&Recorder>)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    for _ in 0..chunks {
        serve(service.clone(), exchange);
        if let Some(recorder) = recorder {
            runtime.block_on(recorder.flush());
        }
    }
}

/// Counted: everything that happens on the request's thread, and no more.
#[inline(never)]
fn serve<S, B>(mut service: S, exchange: Exchange)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body,
{
    async {
        for _ in 0..CHUNK {
            let Ok(service) = service.ready().await;
            let Ok(response) = service.call(exchange.request("/v1/chat/completions")).await;
            drain(response.into_body()).await;
        }
    }
    .now_or_never()
    .expect("bodies that are always ready");
}
