//! What a slice of a run came to, and the medians of many.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

/// Of Linux, whatever its configuration.
const TICKS_A_SECOND: f64 = 100.0;

/// One slice of one arm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub rows: u64,
    pub seconds: f64,
    /// How long this process was on a core: the client, and SQLite itself.
    pub core_seconds: f64,
}

impl Sample {
    pub fn a_second(&self) -> f64 {
        self.rows as f64 / self.seconds
    }
}

/// A slice that has begun.
pub struct Running {
    began: Instant,
    core_seconds: f64,
}

impl Running {
    pub fn begin() -> Self {
        Self {
            began: Instant::now(),
            core_seconds: core_seconds(),
        }
    }

    pub fn until(&self, time: Duration) -> Instant {
        self.began + time
    }

    pub fn end(self, rows: u64) -> Sample {
        Sample {
            rows,
            seconds: self.began.elapsed().as_secs_f64(),
            core_seconds: core_seconds() - self.core_seconds,
        }
    }
}

/// How long this process was on a core; nothing where there is no `/proc` of Linux.
fn core_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS_A_SECOND
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
