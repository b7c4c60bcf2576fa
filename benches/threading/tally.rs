//! Where the time went.

use std::time::Duration;

use tower_recording::Metrics;

use crate::shape::Shape;

/// Microseconds an exchange.
#[derive(Clone, Copy)]
pub struct Tally {
    decoding: f64,
    threading: f64,
    writing: f64,
    parsing: f64,
}

impl Tally {
    /// `parsing` is what parsing all requests took.
    pub fn new(metrics: &Metrics, parsing: Duration) -> Self {
        let micros = |nanos: u64| nanos as f64 / 1e3 / metrics.written as f64;
        Self {
            decoding: micros(metrics.decoding_nanos),
            threading: micros(metrics.threading_nanos),
            writing: micros(metrics.writing_nanos),
            parsing: micros(parsing.as_nanos() as u64),
        }
    }

    /// The tally in the middle, by the share of threading.
    pub fn median(tallies: &mut [Self]) -> Self {
        tallies.sort_by(|one, other| one.share().total_cmp(&other.share()));
        tallies[tallies.len() / 2]
    }

    fn share(&self) -> f64 {
        self.threading / (self.decoding + self.threading + self.writing)
    }

    pub fn row(&self, shape: &Shape) -> String {
        let (messages, bytes) = shape.middle();
        format!(
            "| {messages} messages | {:.1} KB | {:.1} | {:.1} | {:.1} | {:.1} % | {:.2} |",
            bytes as f64 / 1e3,
            self.decoding,
            self.threading,
            self.writing,
            self.share() * 1e2,
            self.threading / self.parsing,
        )
    }
}
