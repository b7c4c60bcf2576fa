//! Closing a day of many rows, and what that does to a writer meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, time::sleep};
use tower_recording::RecordingLayer;

use crate::{
    backend::Database,
    clock::{Clock, DAY_MS, unix_millis},
    lanes::{Lane, Target},
    race::{BATCH_EXCHANGES, Stock},
    rows::Batches,
};

const BEFORE: Duration = Duration::from_secs(10);
const SHUTDOWN: Duration = Duration::from_secs(30);

/// What closing came to.
pub struct Closing {
    pub rows: u64,
    pub seconds: f64,
    /// Rows a second before, and meanwhile.
    pub before: f64,
    pub meanwhile: f64,
    /// The longest that a batch took before, and meanwhile, in seconds.
    pub longest_before: f64,
    pub longest_meanwhile: f64,
}

/// Writes a day of so many rows, then closes it while another day is written to.
pub fn close(database: &Database, runtime: &Runtime, stock: &Stock, rows: usize) -> Closing {
    let layer = RecordingLayer::new(database.dsn());
    let recorder = layer.recorder();
    let store = recorder.store();
    let now = unix_millis();
    let midnight = now - now.rem_euclid(DAY_MS);
    let lane = |clock| {
        let batches = Batches::new(&stock.rows, BATCH_EXCHANGES, clock);
        Lane::new(batches, async || Target::Store(Arc::clone(store)))
    };
    let mut past = lane(Clock::From(midnight - 2 * DAY_MS));
    let mut written = 0;
    while written < rows as u64 {
        written += past.write();
    }
    let mut today = lane(Clock::today());
    let stop = AtomicBool::new(false);
    let (batches, begun, ended) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut batches = Vec::new();
            while !stop.load(Relaxed) {
                let begun = Instant::now();
                let rows = today.write();
                batches.push(Batch {
                    begun,
                    ended: Instant::now(),
                    rows,
                });
            }
            batches
        });
        // The timer wants to be made inside of the runtime.
        runtime.block_on(async { sleep(BEFORE).await });
        let begun = Instant::now();
        let closed = runtime.block_on(store.maintain(now));
        let ended = Instant::now();
        stop.store(true, Relaxed);
        closed.expect("a store that answers");
        (writer.join().expect("a writer that goes on"), begun, ended)
    });
    let open = "SELECT count(*) FROM recording_days WHERE closed_at IS NOT NULL AND dirty = 0";
    assert_eq!(runtime.block_on(database.number(open)), 1, "a closed day");
    runtime.block_on(recorder.shutdown(SHUTDOWN));
    // The first second warms up.
    let from = begun - BEFORE + Duration::from_secs(1);
    let before = Span::new(&batches, from, begun);
    let meanwhile = Span::new(&batches, begun, ended);
    Closing {
        rows: written,
        seconds: (ended - begun).as_secs_f64(),
        before: before.a_second,
        meanwhile: meanwhile.a_second,
        longest_before: before.longest,
        longest_meanwhile: meanwhile.longest,
    }
}

struct Batch {
    begun: Instant,
    ended: Instant,
    rows: u64,
}

struct Span {
    a_second: f64,
    longest: f64,
}

impl Span {
    /// Of the batches that were under way between these, as much of their rows as of their time.
    fn new(batches: &[Batch], from: Instant, to: Instant) -> Self {
        let mut rows = 0.0;
        let mut longest = 0f64;
        for batch in batches {
            let within = batch
                .ended
                .min(to)
                .saturating_duration_since(batch.begun.max(from));
            if !within.is_zero() {
                let took = (batch.ended - batch.begun).as_secs_f64();
                rows += batch.rows as f64 * within.as_secs_f64() / took;
                longest = longest.max(took);
            }
        }
        Self {
            a_second: rows / (to - from).as_secs_f64(),
            longest,
        }
    }
}
