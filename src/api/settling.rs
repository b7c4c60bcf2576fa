//! Waiting, together with others, until what was accepted can be read.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use tokio::{
    sync::Mutex,
    time::{sleep_until, timeout},
};

use crate::recorder::Recorder;

/// How long a request waits for what was accepted before it.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);
/// Between two flushes: each ends a batch, and a client that polls would leave a transaction an
/// exchange.
const BETWEEN_FLUSHES: Duration = Duration::from_millis(20);

/// The flushes that requests wait for, one after the other, each for all who asked before it began.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// How many have begun: each has its number.
    begun: AtomicU64,
    flushes: Mutex<Flushes>,
}

#[derive(Debug, Default)]
struct Flushes {
    latest_began: Option<Instant>,
    /// The number of the latest that came to its end.
    completed: u64,
}

impl Settling {
    /// Waits until what was accepted before can be read, or until the client has waited long enough.
    pub(super) async fn settle(&self, recorder: &Recorder) {
        // One that has begun may not know of what was accepted since.
        let asked_after = self.begun.load(SeqCst);
        if recorder.metrics().pending() > 0 {
            // A store that is away says so when it is read.
            let _ = timeout(SETTLE_AT_MOST, self.flush(recorder, asked_after)).await;
        }
    }

    async fn flush(&self, recorder: &Recorder, asked_after: u64) {
        let mut flushes = self.flushes.lock().await;
        if flushes.completed > asked_after {
            return;
        }
        if let Some(began) = flushes.latest_began {
            sleep_until((began + BETWEEN_FLUSHES).into()).await;
        }
        flushes.latest_began = Some(Instant::now());
        let number = self.begun.fetch_add(1, SeqCst) + 1;
        recorder.flush().await;
        flushes.completed = number;
    }
}
