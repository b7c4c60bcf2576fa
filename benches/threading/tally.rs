//! Where the time went.

use std::time::Duration;

use tower_recording::Metrics;

/// Microseconds an exchange.
#[derive(Clone, Copy)]
pub struct Tally {
    decoding: f64,
    threading: f64,
    making: f64,
    writing: f64,
    parsing: f64,
    /// Messages and bytes of a request.
    request: (usize, usize),
}

impl Tally {
    /// What was done between two moments; `parsing` is what parsing the same requests took.
    pub fn new(
        before: &Metrics,
        after: &Metrics,
        parsing: Duration,
        request: (usize, usize),
    ) -> Self {
        let written = (after.written - before.written) as f64;
        let micros = |nanos: u64| nanos as f64 / 1e3 / written;
        Self {
            decoding: micros(after.decoding_nanos - before.decoding_nanos),
            threading: micros(after.threading_nanos - before.threading_nanos),
            making: micros(after.making_nanos - before.making_nanos),
            writing: micros(after.writing_nanos - before.writing_nanos),
            parsing: micros(parsing.as_nanos() as u64),
            request,
        }
    }

    /// The tally in the middle, by the share of threading.
    pub fn median(tallies: &mut [Self]) -> Self {
        tallies.sort_by(|one, other| one.share().total_cmp(&other.share()));
        tallies[tallies.len() / 2]
    }

    fn share(&self) -> f64 {
        self.threading / (self.decoding + self.threading + self.making + self.writing)
    }

    pub fn row(&self, name: &str) -> String {
        let (messages, bytes) = self.request;
        format!(
            "| {name} | {messages} | {:.1} KB | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} % | {:.2} |",
            bytes as f64 / 1e3,
            self.decoding,
            self.threading,
            self.making,
            self.writing,
            self.share() * 1e2,
            self.threading / self.parsing,
        )
    }
}
