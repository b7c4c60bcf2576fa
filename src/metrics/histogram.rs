//! Distributions in buckets whose bounds are fixed.

use std::{array::from_fn, fmt};

use super::Counter;

/// How many bounds each scale has.
const BOUNDS: usize = 12;

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// What a histogram is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scale {
    #[default]
    BatchRows,
    StoreSeconds,
    AddedSeconds,
}

impl Scale {
    /// The upper bounds of its buckets but the last, which has none: rows, or nanoseconds.
    const fn bounds(self) -> [u64; BOUNDS] {
        match self {
            Self::BatchRows => [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
            Self::StoreSeconds => [
                MILLI,
                2 * MILLI,
                5 * MILLI,
                10 * MILLI,
                20 * MILLI,
                50 * MILLI,
                100 * MILLI,
                200 * MILLI,
                500 * MILLI,
                SECOND,
                2 * SECOND,
                5 * SECOND,
            ],
            Self::AddedSeconds => [
                250,
                500,
                750,
                MICRO,
                1_500,
                2 * MICRO,
                3 * MICRO,
                5 * MICRO,
                10 * MICRO,
                20 * MICRO,
                100 * MICRO,
                MILLI,
            ],
        }
    }

    /// The name under which it is told to others.
    #[cfg(any(feature = "api", feature = "metrics"))]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::BatchRows => "tower_recording_batch_rows",
            Self::StoreSeconds => "tower_recording_store_seconds",
            Self::AddedSeconds => "tower_recording_added_seconds",
        }
    }

    /// The number in rows or in seconds.
    fn in_unit(self, number: u64) -> f64 {
        match self {
            Self::BatchRows => number as f64,
            Self::StoreSeconds | Self::AddedSeconds => number as f64 / SECOND as f64,
        }
    }
}

/// A histogram as a writer adds to it.
#[derive(Debug)]
pub(crate) struct Distribution {
    scale: Scale,
    counts: [Counter; BOUNDS + 1],
    sum: Counter,
}

impl Distribution {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            scale,
            counts: Default::default(),
            sum: Counter::default(),
        }
    }

    /// Adds a number of rows or of nanoseconds.
    pub(crate) fn observe(&self, number: u64) {
        let bounds = self.scale.bounds();
        let bucket = bounds.partition_point(|bound| *bound < number);
        self.sum.add(number);
        if let Some(count) = self.counts.get(bucket) {
            count.add(1);
        }
        #[cfg(feature = "metrics")]
        super::facade::observe(self.scale.name(), self.scale.in_unit(number));
    }

    pub(crate) fn snapshot(&self) -> Histogram {
        Histogram {
            scale: self.scale,
            counts: from_fn(|bucket| self.counts.get(bucket).map_or(0, Counter::get)),
            sum: self.sum.get(),
        }
    }
}

/// A snapshot of a distribution, in buckets whose bounds are fixed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Histogram {
    scale: Scale,
    counts: [u64; BOUNDS + 1],
    sum: u64,
}

impl Histogram {
    /// How many observations there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All that was observed together, in the histogram's unit.
    pub fn sum(&self) -> f64 {
        self.scale.in_unit(self.sum)
    }

    /// The upper bound of each bucket, in the histogram's unit, with the number of observations up to
    /// it, as Prometheus counts them: the last bound is infinite, and has all of them.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.scale.bounds().map(|bound| self.scale.in_unit(bound));
        let bounds = bounds.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("sum", &self.sum())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_on_a_bound_is_within_it_and_one_beyond_all_is_in_the_last_bucket() {
        let distribution = Distribution::new(Scale::StoreSeconds);
        for nanos in [0, MILLI, MILLI + 1, 2 * MILLI, 60 * SECOND] {
            distribution.observe(nanos);
        }
        let histogram = distribution.snapshot();
        let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
        assert_eq!(buckets[0], (0.001, 2));
        assert_eq!(buckets[1], (0.002, 4));
        assert_eq!(buckets[11], (5.0, 4));
        assert_eq!(buckets[12], (f64::INFINITY, 5));
        assert_eq!(buckets.len(), 13);
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.sum(), 60.004_000_001);
    }

    #[test]
    fn bounds_grow() {
        for scale in [Scale::BatchRows, Scale::StoreSeconds, Scale::AddedSeconds] {
            assert!(scale.bounds().is_sorted_by(|low, high| low < high));
        }
    }
}
