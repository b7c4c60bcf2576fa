//! What the recorder took, what became of it, and how long that takes: counters that only grow, sizes
//! of the moment, and histograms.

#[cfg(feature = "metrics")]
mod facade;
mod histogram;
#[cfg(any(feature = "api", feature = "metrics"))]
mod series;

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

#[cfg(feature = "metrics")]
pub(crate) use self::facade::Published;
pub use self::histogram::Histogram;
pub(crate) use self::histogram::{Distribution, Scale};
#[cfg(feature = "api")]
pub(crate) use self::series::Measured;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters themselves, as the recorder's threads add to them.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        /// A snapshot of the recorder's counters and histograms, all since it was built, and of what it
        /// holds at the moment.
        ///
        /// In exchanges: `accepted` = `written` + `rejected` + `erased` + `discarded` + `opted_out` +
        /// `dropped_queue_full` + `dropped_shutdown` + `dropped_expired` + `unknown` + what is still queued or in a writer's hands ([`Metrics::pending`]).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Bytes charged to the budget at the moment: bodies in flight, the queue, and what the
            /// writers hold.
            pub captured_bytes: u64,
            /// The budget, in bytes.
            pub budget_bytes: u64,
            /// Exchanges that wait in the queue for a writer at the moment.
            pub queued_exchanges: u64,
            /// Bytes of the budget that they take.
            pub queued_bytes: u64,
            /// Rows of the batches that were written.
            pub batch_rows: Histogram,
            /// How long the database took with a batch, in seconds; also where it refused it.
            pub store_seconds: Histogram,
            /// What the recorder adds to a request on its thread, in seconds, measured of one exchange in
            /// 61: what it does before the inner service is called, at the response's head and
            /// at the hand-over. The copying of frames is left out (a clock would cost as much as a
            /// frame), but for a response of one frame.
            pub added_seconds: Histogram,
        }

        #[cfg(any(feature = "api", feature = "metrics"))]
        impl Metrics {
            /// The counters by field and by name, with what they count.
            fn named(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
                vec![$((
                    stringify!($name),
                    concat!("tower_recording_", stringify!($name), "_total"),
                    concat!($($doc),+).trim_ascii(),
                    self.$name,
                ),)+]
            }
        }

        impl Counters {
            /// The counters, with nothing else.
            pub(crate) fn snapshot(&self) -> Metrics {
                // What became of an exchange is read before what was accepted: never the other way round.
                $(let $name = self.$name.get();)+
                Metrics { $($name,)+ ..Metrics::default() }
            }
        }
    };
}

/// The histograms themselves, to which the writers add.
#[derive(Debug)]
pub(crate) struct Distributions {
    pub(crate) batch_rows: Distribution,
    pub(crate) store_seconds: Distribution,
    pub(crate) added_seconds: Distribution,
}

impl Default for Distributions {
    fn default() -> Self {
        Self {
            batch_rows: Distribution::new(Scale::BatchRows),
            store_seconds: Distribution::new(Scale::StoreSeconds),
            added_seconds: Distribution::new(Scale::AddedSeconds),
        }
    }
}

counters! {
    /// Exchanges that stand in the database.
    written,
    /// Exchanges that the database refused, kept in `recording_rejects` where that was possible.
    rejected,
    /// Exchanges that were not written because their conversation or all of their user had been
    /// deleted since they began.
    erased,
    /// Exchanges thrown away undecoded, as the DSN `discard:` asks.
    discarded,
    /// Exchanges that were not recorded because their client opted out.
    opted_out,
    /// Exchanges dropped because the queue was full.
    dropped_queue_full,
    /// Exchanges dropped because they ended after the shutdown or were left at its deadline.
    dropped_shutdown,
    /// Exchanges dropped because retention no longer keeps the day on which they began.
    dropped_expired,
    /// Requests of which nothing was captured because the budget and its reserve were used up. They
    /// are not among the accepted.
    dropped_budget,
    /// Exchanges whose write was under way at the deadline of a shutdown: they may stand in the
    /// database.
    unknown,
    /// Exchanges whose response has ended and that were to be recorded.
    accepted,
    /// Exchanges of which a body was cut at the cap of its direction, or what was read of it at a limit.
    truncated_cap,
    /// Exchanges of which a body was cut because the budget was used up, or not read because its part
    /// for decoding is too small.
    truncated_budget,
    /// Exchanges whose request was not read to its end before the response had ended: their rows say
    /// `"request": "unread"` and have what came until then.
    unread_requests,
    /// Bytes of bodies and tags that passed and were not kept.
    shed_bytes,
    /// Exchanges whose decoding panicked; their bodies are kept raw.
    decode_panics,
    /// Batches that were written.
    batches,
    /// Rows that were sent in the batches that were written.
    rows,
    /// Times that a batch was tried again.
    retries,
    /// Nanoseconds in which the writers read bodies.
    decoding_nanos,
    /// Nanoseconds in which they found out what of it is new, answers of the database included.
    threading_nanos,
    /// Nanoseconds in which they made its rows, hashes aside.
    making_nanos,
    /// Nanoseconds in which the database wrote.
    writing_nanos,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds the nanoseconds since then.
    pub(crate) fn add_since(&self, begun: Instant) {
        self.add_time(begun.elapsed());
    }

    /// Adds the nanoseconds of this.
    pub(crate) fn add_time(&self, time: Duration) {
        self.add(time.as_nanos() as u64);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, SeqCst);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

impl Metrics {
    /// Exchanges that were dropped, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.dropped_queue_full + self.dropped_shutdown + self.dropped_expired
    }

    /// Exchanges that are queued or in a writer's hands.
    pub fn pending(&self) -> u64 {
        let settled = self.written
            + self.rejected
            + self.erased
            + self.discarded
            + self.opted_out
            + self.dropped()
            + self.unknown;
        self.accepted.saturating_sub(settled)
    }
}
