//! Waiting, together with others, until what was accepted can be read.

use std::time::{Duration, Instant};

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

/// The flushes that requests wait for, one after the other, each for all who wait.
#[derive(Debug, Default)]
pub(super) struct Settling(Mutex<Flushes>);

#[derive(Debug, Default)]
struct Flushes {
    begun: Option<Instant>,
    /// Of the latest that came to its end: what had been accepted before that can be read.
    completed: Option<Instant>,
}

impl Settling {
    /// Waits until what was accepted before can be read, or until the client has waited long enough.
    pub(super) async fn settle(&self, recorder: &Recorder) {
        if recorder.metrics().pending() > 0 {
            // A store that is away says so when it is read.
            let _ = timeout(SETTLE_AT_MOST, self.flush(recorder, Instant::now())).await;
        }
    }

    async fn flush(&self, recorder: &Recorder, asked: Instant) {
        let mut flushes = self.0.lock().await;
        if flushes.completed.is_some_and(|begun| begun >= asked) {
            return;
        }
        if let Some(begun) = flushes.begun {
            sleep_until((begun + BETWEEN_FLUSHES).into()).await;
        }
        let begun = Instant::now();
        flushes.begun = Some(begun);
        recorder.flush().await;
        flushes.completed = Some(begun);
    }
}
