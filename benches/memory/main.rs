//! What recording holds in memory: while streams are open, and while the store is blocked.
//!
//! `cargo bench --bench memory [-- <seconds>]`: so long the store is blocked, by default 60 s.

#[path = "../loopback/child.rs"]
mod child;
mod clients;
#[path = "../loopback/server.rs"]
mod server;
#[path = "../loopback/store.rs"]
mod store;
#[path = "../loopback/traffic.rs"]
#[allow(
    dead_code,
    reason = "the other program names the kinds on its command line"
)]
mod traffic;

use std::{env, fs, sync::Arc, time::Duration};

use axum::body::Bytes;
use child::{Child, answer};
use clients::{connect, send};
use http_body_util::BodyExt;
use server::{Upstream, serve};
use store::Discarding;
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};
use tower::Layer;
use tower_recording::{Recorder, RecordingLayer};
use traffic::Kind;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STREAMS: usize = 1000;
const FRAMES: usize = 500;
const ROUNDS: usize = 3;
/// Resident memory over bare by captured bytes.
const MOST: f64 = 1.5;
const BLOCKED: Duration = Duration::from_secs(60);
const BUDGET_BYTES: usize = 32 << 20;
const MIB: f64 = (1 << 20) as f64;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["serve", arm] = arguments[..] {
        return serve_arm(arm);
    }
    if !fs::exists("/proc/self/status").unwrap_or_default() {
        println!("skipped: resident memory is read from Linux's /proc");
        return;
    }
    let seconds = arguments.iter().find_map(|seconds| seconds.parse().ok());
    let runtime = runtime(2);
    streams(&runtime);
    blocked(&runtime, seconds.map_or(BLOCKED, Duration::from_secs));
}

fn runtime(threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Serves until the parent hangs up. `release` ends the streams, `open` unblocks the store.
fn serve_arm(arm: &str) {
    let runtime = runtime(1);
    let (release, released) = watch::channel(arm == "blocked");
    let (open, opened) = watch::channel(false);
    let upstream = Upstream::new(FRAMES, released);
    let layer = match arm {
        "streams" => Some(RecordingLayer::new("discard:")),
        "blocked" => {
            let store = Arc::new(Discarding { open: opened });
            let builder = RecordingLayer::with_store(store).budget_bytes(BUDGET_BYTES);
            Some(builder.build().expect("a layer"))
        }
        _ => None,
    };
    let address = runtime.block_on(async {
        match &layer {
            Some(layer) => serve(layer.layer(upstream)).await,
            None => serve(upstream).await,
        }
    });
    println!("{address}");
    let recorder = layer.map(|layer| layer.recorder());
    answer(|question| {
        match question {
            "release" => drop(release.send(true)),
            "open" => drop(open.send(true)),
            "flush" => runtime.block_on(flush(recorder.as_ref())),
            _ => {}
        }
        let metrics = recorder.as_ref().map(Recorder::metrics).unwrap_or_default();
        match question {
            "charged" => metrics.captured_bytes.to_string(),
            _ => format!("{metrics:?}"),
        }
    });
}

async fn flush(recorder: Option<&Recorder>) {
    let Some(recorder) = recorder else { return };
    recorder.flush().await;
    let metrics = recorder.metrics();
    let settled = metrics.written + metrics.rejected + metrics.dropped();
    assert_eq!(metrics.accepted, settled, "something was lost: {metrics:?}");
}

/// All streams are held before their last frame; then the server's memory is read.
fn streams(runtime: &Runtime) {
    let events = traffic::events(FRAMES);
    let held: usize = events.iter().rev().skip(1).map(Bytes::len).sum();
    let captured = ((held + traffic::request(Kind::Sse).len()) * STREAMS) as f64;
    println!(
        "{STREAMS} streams of {FRAMES} frames of about 150 bytes, held before the last one: {:.1} MiB captured",
        captured / MIB
    );
    println!(
        "  {:>9} {:>9} {:>9} {:>12} {:>16}",
        "bare", "recorded", "added", "of captured", "budget charged"
    );
    let mut factors: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (bare, _) = held_streams(runtime, "bare", held);
            let (ours, charged) = held_streams(runtime, "streams", held);
            let added = ours - bare;
            println!(
                "  {:>5.1} MiB {:>5.1} MiB {:>5.1} MiB {:>12.2} {:>12.1} MiB",
                bare / MIB,
                ours / MIB,
                added / MIB,
                added / captured,
                charged / MIB
            );
            added / captured
        })
        .collect();
    factors.sort_by(f64::total_cmp);
    let median = factors[factors.len() / 2];
    println!("  median: {median:.2} times the captured bytes, at most {MOST}");
    assert!(median <= MOST, "streams hold too much");
}

/// Resident memory, and what is charged to the budget.
fn held_streams(runtime: &Runtime, arm: &str, held: usize) -> (f64, f64) {
    let mut server = Child::start(None, &["serve", arm]);
    let address = server.line().parse().expect("an address");
    let mut streams = runtime.block_on(async {
        let mut opening = JoinSet::new();
        for number in 0..STREAMS {
            opening.spawn(async move {
                let mut sender = connect(address).await;
                let mut answer = send(&mut sender, Kind::Sse, number).await;
                let mut left = held;
                while left > 0 {
                    let frame = answer.frame().await.expect("more").expect("a frame");
                    left -= frame.data_ref().map_or(0, Bytes::len);
                }
                (sender, answer)
            });
        }
        opening.join_all().await
    });
    let resident = server.resident_bytes() as f64;
    let charged = server.ask("charged").parse().expect("a number");
    server.ask("release");
    runtime.block_on(async {
        for (_, answer) in &mut streams {
            let last = answer.collect().await.expect("the end").to_bytes();
            assert_eq!(last, &b"data: [DONE]\n\n"[..]);
        }
    });
    (resident, charged)
}

fn pause(runtime: &Runtime, time: Duration) {
    // The timer wants to be made inside of the runtime.
    runtime.block_on(async { tokio::time::sleep(time).await });
}

/// Loads a server whose store never answers, and watches its memory.
fn blocked(runtime: &Runtime, time: Duration) {
    println!(
        "\nthe store blocked for {} s under load, budget {:.0} MiB",
        time.as_secs(),
        BUDGET_BYTES as f64 / MIB
    );
    let mut server = Child::start(None, &["serve", "blocked"]);
    let address = server.line().parse().expect("an address");
    let idle = server.resident_bytes() as f64;
    let warm_up = Duration::from_secs(2);
    let whole = traffic::reply();
    let load = runtime.spawn(clients::run(address, Kind::Json, whole, warm_up, time));
    pause(runtime, warm_up);
    let mut samples = Vec::new();
    while !load.is_finished() {
        let charged: f64 = server.ask("charged").parse().expect("a number");
        samples.push((server.resident_bytes() as f64, charged));
        pause(runtime, Duration::from_millis(250));
    }
    let a_second = runtime.block_on(load).expect("all answers, byte for byte");
    println!(
        "  {a_second:.0} requests/s answered, all with the right bytes; resident {:.1} MiB before the load",
        idle / MIB
    );
    let tenth = samples.len().div_ceil(10);
    for (number, samples) in samples.chunks(tenth).enumerate() {
        let spread = |part: fn(&(f64, f64)) -> f64| {
            let least = samples.iter().map(part).fold(f64::MAX, f64::min);
            let most = samples.iter().map(part).fold(0.0, f64::max);
            format!("{:.1} to {:.1} MiB", least / MIB, most / MIB)
        };
        println!(
            "  {:>3} %: resident {}, charged to the budget {}",
            number * 10,
            spread(|sample| sample.0),
            spread(|sample| sample.1)
        );
    }
    println!("  while blocked: {}", server.ask("metrics"));
    server.ask("open");
    println!("  drained:       {}", server.ask("flush"));
}
