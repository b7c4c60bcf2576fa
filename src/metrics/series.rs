//! The metrics by the names under which they are told to others.

use super::{Histogram, Metrics, Scale};

/// A counter, or one of a family whose counters are told apart by a reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) reason: Option<&'static str>,
    pub(crate) count: u64,
}

/// A number of the moment, or a histogram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured<T> {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) value: T,
}

impl Metrics {
    /// The counters, those of a family side by side.
    pub(crate) fn counters(&self) -> impl Iterator<Item = Counted> {
        let counters = self.named().into_iter();
        counters.map(|(field, name, help, count)| {
            let (name, help, reason) = match field.split_once('_') {
                Some(("dropped", reason)) => (
                    "tower_recording_dropped_total",
                    "Exchanges that were dropped, by reason; those over the budget are not among the accepted.",
                    Some(reason),
                ),
                Some(("truncated", reason)) => (
                    "tower_recording_truncated_total",
                    "Exchanges of which a part is missing: over the cap of a body, or over the budget.",
                    Some(reason),
                ),
                _ => (name, help, None),
            };
            Counted {
                name,
                help,
                reason,
                count,
            }
        })
    }

    /// What the recorder holds at the moment.
    pub(crate) fn gauges(&self) -> [Measured<u64>; 5] {
        let gauge = |name, help, value| Measured { name, help, value };
        [
            gauge(
                "tower_recording_pending",
                "Exchanges that are queued or in a writer's hands.",
                self.pending(),
            ),
            gauge(
                "tower_recording_queued_exchanges",
                "Exchanges that wait in the queue for a writer.",
                self.queued_exchanges,
            ),
            gauge(
                "tower_recording_queued_bytes",
                "Bytes of the budget that the exchanges in the queue take.",
                self.queued_bytes,
            ),
            gauge(
                "tower_recording_captured_bytes",
                "Bytes charged to the budget: bodies in flight, the queue, and what the writers hold.",
                self.captured_bytes,
            ),
            gauge(
                "tower_recording_budget_bytes",
                "The budget.",
                self.budget_bytes,
            ),
        ]
    }

    pub(crate) fn histograms(&self) -> [Measured<Histogram>; 3] {
        let histogram = |name, help, value| Measured { name, help, value };
        [
            histogram(
                Scale::BatchRows.name(),
                "Rows of the batches that were written.",
                self.batch_rows,
            ),
            histogram(
                Scale::StoreSeconds.name(),
                "How long the database took with a batch.",
                self.store_seconds,
            ),
            histogram(
                Scale::AddedSeconds.name(),
                "What the recorder adds to a request on its thread, of one exchange in 61, without the copying of frames.",
                self.added_seconds,
            ),
        ]
    }
}
