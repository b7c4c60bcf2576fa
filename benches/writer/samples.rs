//! What a slice of a run came to, and the medians of many.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::cores;

/// One slice of one arm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub rows: u64,
    pub seconds: f64,
    /// How long this process was on a core: the client, and SQLite itself.
    pub client_seconds: f64,
    /// How long the server's processes were.
    pub server_seconds: f64,
}

impl Sample {
    pub fn a_second(&self) -> f64 {
        self.rows as f64 / self.seconds
    }
}

/// A slice that has begun.
pub struct Running {
    began: Instant,
    server: Option<u32>,
    client_seconds: f64,
    server_seconds: f64,
}

impl Running {
    pub fn begin(server: Option<u32>) -> Self {
        Self {
            began: Instant::now(),
            server,
            client_seconds: cores::of_this_process(),
            server_seconds: cores::of_server(server),
        }
    }

    pub fn until(&self, time: Duration) -> Instant {
        self.began + time
    }

    pub fn end(self, rows: u64) -> Sample {
        Sample {
            rows,
            seconds: self.began.elapsed().as_secs_f64(),
            client_seconds: cores::of_this_process() - self.client_seconds,
            server_seconds: cores::of_server(self.server) - self.server_seconds,
        }
    }
}

/// The median of some values, the least and the most.
#[derive(Clone, Copy, Debug)]
pub struct Median {
    pub middle: f64,
    pub least: f64,
    pub most: f64,
}

impl Median {
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self {
            middle: values[values.len() / 2],
            least: values[0],
            most: values[values.len() - 1],
        }
    }

    /// Round by round, how many times the one is the other.
    pub fn of_ratios(ours: &[Sample], others: &[Sample]) -> Self {
        let pairs = ours.iter().zip(others);
        Self::of(pairs.map(|(ours, other)| ours.a_second() / other.a_second()))
    }
}

/// With two decimals.
impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            middle,
            least,
            most,
        } = self;
        f.pad(&format!("{middle:.2} ({least:.2}, {most:.2})"))
    }
}
