//! The metrics through the facade of the crate `metrics`, told by the writers. Whoever takes them is not
//! ours: where that panics the metric is lost, and nothing else.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ::metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::Metrics;

/// How often the counters are told.
const EVERY: Duration = Duration::from_secs(1);

/// What has been told so far. Differences are told, so that several recorders of a process add up.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    metrics: Metrics,
    at: Option<Instant>,
}

impl Published {
    /// Tells what has changed, unless that was done a moment ago.
    pub(crate) fn when_due(&self, metrics: impl FnOnce() -> Metrics) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_none_or(|at| at.elapsed() >= EVERY) {
            told.tell(metrics());
        }
    }

    /// Tells what has changed.
    pub(crate) fn now(&self, metrics: impl FnOnce() -> Metrics) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.tell(metrics());
    }
}

impl Told {
    fn tell(&mut self, metrics: Metrics) {
        let before = std::mem::replace(&mut self.metrics, metrics);
        self.at = Some(Instant::now());
        let _ = catch_unwind(AssertUnwindSafe(|| tell(&before, &metrics)));
    }
}

fn tell(before: &Metrics, now: &Metrics) {
    for (before, now) in before.counters().zip(now.counters()) {
        let unit = match now.name {
            name if name.ends_with("_bytes_total") => Unit::Bytes,
            name if name.ends_with("_nanos_total") => Unit::Nanoseconds,
            _ => Unit::Count,
        };
        describe_counter!(now.name, unit, now.help);
        let counter = match now.reason {
            Some(reason) => counter!(now.name, "reason" => reason),
            None => counter!(now.name),
        };
        counter.increment(now.count.saturating_sub(before.count));
    }
    for now in now.gauges() {
        let unit = match now.name.ends_with("_bytes") {
            true => Unit::Bytes,
            false => Unit::Count,
        };
        describe_gauge!(now.name, unit, now.help);
        gauge!(now.name).set(now.value as f64);
    }
    for now in now.histograms() {
        let unit = match now.name.ends_with("_seconds") {
            true => Unit::Seconds,
            false => Unit::Count,
        };
        describe_histogram!(now.name, unit, now.help);
    }
}

/// Tells one observation of a histogram.
pub(super) fn observe(name: &'static str, value: f64) {
    let _ = catch_unwind(|| histogram!(name).record(value));
}
