//! The bounded hand-over from the request path to the writers.
//!
//! A ring a writer, polled by it. On a request's thread a writer is woken once for many exchanges only,
//! since waking a parked thread costs more than all the rest of recording one.

use std::{
    sync::atomic::{
        AtomicBool, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
    time::Duration,
};

use crossbeam_queue::ArrayQueue;
use tokio::sync::Notify;

#[cfg(feature = "metrics")]
use crate::metrics::Published;
use crate::{
    exchange::Exchange,
    metrics::{Counters, Distributions, Metrics},
    outcome::Truncated,
    pool::Pool,
    vault::Vault,
};

/// Idle exchanges that are kept for the next requests, as many as the vault has segments for, and how
/// many of them go round: those that a writer is woken for, and those that come until it has taken them.
const IDLE_EXCHANGES: usize = 2048;
const WARM_EXCHANGES: usize = 160;
/// A writer is woken when so many wait, or half of what its ring holds, and for so many more. Their memory is
/// used again while a core's cache still has it; with 16 the wakes cost more than that saves.
const WAKE_AT: u64 = 128;
/// Measured times that may wait for a writer: those of about as many exchanges as are queued.
const TIMES: usize = 256;

/// An exchange in a ring's load. Below it are the bytes of all of them, of which there are fewer.
const ONE_EXCHANGE: u64 = 1 << 38;

/// What the request path and the writers share.
#[derive(Debug)]
pub(crate) struct Channel {
    rings: Vec<Ring>,
    /// Boxed, since moving one from hand to hand costs more than all else that is done with it.
    idle: Pool<Box<Exchange>>,
    pub(crate) vault: Vault,
    pub(crate) counters: Counters,
    pub(crate) distributions: Distributions,
    /// What was measured on the request path, in nanoseconds, until a writer takes it.
    added_nanos: ArrayQueue<u64>,
    #[cfg(feature = "metrics")]
    published: Published,
    under_way: AtomicUsize,
}

/// One writer's queue.
#[derive(Debug)]
pub(crate) struct Ring {
    queue: ArrayQueue<Box<Exchange>>,
    /// How many exchanges are in the queue or about to be, and what they take of the budget: one
    /// number, since the queue's own length is dear to read.
    load: AtomicU64,
    /// Wakes the writer before its next tick.
    pub(crate) wake: Notify,
    wake_at: u64,
    finished: AtomicBool,
}

impl Channel {
    /// A channel for so many writers, whose rings hold `capacity` exchanges together.
    pub(crate) fn new(writers: usize, capacity: usize, budget_bytes: usize) -> Self {
        let capacity = capacity.div_ceil(writers.max(1)).max(1);
        let rings = (0..writers)
            .map(|_| Ring {
                queue: ArrayQueue::new(capacity),
                load: AtomicU64::new(0),
                wake: Notify::new(),
                wake_at: WAKE_AT.min(capacity as u64 / 2 + 1),
                finished: AtomicBool::new(false),
            })
            .collect();
        Self {
            rings,
            idle: Pool::new(IDLE_EXCHANGES, WARM_EXCHANGES),
            vault: Vault::new(budget_bytes),
            counters: Counters::default(),
            distributions: Distributions::default(),
            added_nanos: ArrayQueue::new(TIMES),
            #[cfg(feature = "metrics")]
            published: Published::default(),
            under_way: AtomicUsize::new(0),
        }
    }

    pub(crate) fn rings(&self) -> &[Ring] {
        &self.rings
    }

    /// Says that an exchange is under way, so that the writers stay for it.
    pub(crate) fn begin(&self) {
        self.under_way.fetch_add(1, Relaxed);
    }

    /// Says that it is over, and handed over.
    pub(crate) fn end(&self) {
        self.under_way.fetch_sub(1, Release);
    }

    /// Whether exchanges are under way.
    pub(crate) fn is_awaited(&self) -> bool {
        self.under_way.load(Acquire) > 0
    }

    /// Whether there is a ring that takes no more.
    #[cfg(feature = "api")]
    pub(crate) fn is_full(&self) -> bool {
        self.rings.iter().any(|ring| ring.queue.is_full())
    }

    /// An empty exchange for a request.
    #[inline]
    pub(crate) fn exchange(&self) -> Box<Exchange> {
        self.idle
            .take()
            .unwrap_or_else(|| Box::new(Exchange::new()))
    }

    /// Takes back an exchange that came to nothing.
    pub(crate) fn keep(&self, mut exchange: Box<Exchange>) {
        exchange.reset(&self.vault);
        self.idle.put(exchange);
    }

    /// Hands an exchange over. A full ring drops it, counted: a request never waits.
    pub(crate) fn send(&self, mut exchange: Box<Exchange>) {
        let counters = &self.counters;
        counters.accepted.add(1);
        let ring = (exchange.shard % self.rings.len().max(1) as u64) as usize;
        let Some(ring) = self.rings.get(ring) else {
            return;
        };
        let load = ONE_EXCHANGE | exchange.held_bytes() as u64;
        exchange.queued_load = load;
        let before = ring.load.fetch_add(load, Relaxed);
        if let Err(exchange) = ring.queue.push(exchange) {
            ring.load.fetch_sub(load, Relaxed);
            counters.dropped_queue_full.add(1);
            return self.recycle(exchange);
        }
        if ring.finished.load(SeqCst) {
            return self.drop_queued(ring);
        }
        // Not by each behind it: a writer that takes none has a reason, which may be gone some time later.
        let queued = before / ONE_EXCHANGE + 1;
        if queued == ring.wake_at || queued.is_multiple_of(WAKE_AT) {
            ring.wake.notify_one();
        }
    }

    /// Tells a writer what the recorder added to a request. Where many wait, this one is left out.
    #[cold]
    pub(crate) fn added(&self, time: Duration) {
        let _ = self.added_nanos.push(time.as_nanos() as u64);
    }

    /// Takes what was told so into account.
    pub(crate) fn observe_added(&self) {
        while let Some(nanos) = self.added_nanos.pop() {
            self.distributions.added_seconds.observe(nanos);
        }
    }

    /// A snapshot of what is counted and measured.
    pub(crate) fn metrics(&self) -> Metrics {
        let queued = |part: fn(u64) -> u64| {
            let loads = self.rings.iter().map(|ring| ring.load.load(Relaxed));
            loads.map(part).sum()
        };
        let Distributions {
            batch_rows,
            store_seconds,
            added_seconds,
        } = &self.distributions;
        Metrics {
            captured_bytes: self.vault.used() as u64,
            budget_bytes: self.vault.max_bytes() as u64,
            queued_exchanges: queued(|load| load / ONE_EXCHANGE),
            queued_bytes: queued(|load| load % ONE_EXCHANGE),
            batch_rows: batch_rows.snapshot(),
            store_seconds: store_seconds.snapshot(),
            added_seconds: added_seconds.snapshot(),
            ..self.counters.snapshot()
        }
    }

    /// Tells the facade what has changed, about once a second.
    #[cfg(feature = "metrics")]
    pub(crate) fn publish_when_due(&self) {
        self.published.when_due(|| self.metrics());
    }

    /// Tells the facade what has changed.
    #[cfg(feature = "metrics")]
    pub(crate) fn publish(&self) {
        self.published.now(|| self.metrics());
    }

    /// Says that the ring's writer is gone: what is in the ring, or comes later, is dropped, counted.
    pub(crate) fn finish(&self, ring: &Ring) {
        ring.finished.store(true, SeqCst);
        self.drop_queued(ring);
    }

    fn drop_queued(&self, ring: &Ring) {
        while let Some(exchange) = ring.pop() {
            self.counters.dropped_shutdown.add(1);
            self.recycle(exchange);
        }
    }

    /// Takes the buffers of an exchange back, and counts what it had to leave out.
    pub(crate) fn recycle(&self, exchange: Box<Exchange>) {
        let counters = &self.counters;
        let mut truncated = exchange.response.truncated();
        if truncated != Truncated::No {
            counters.shed_bytes.add(exchange.response.shed_bytes());
        }
        {
            let mut request = exchange.request.capture();
            if request.truncated() != Truncated::No {
                counters.shed_bytes.add(request.shed_bytes());
            }
            truncated = truncated.max(request.truncated());
            // Now, though the request's body may keep the half: it copies nothing more.
            request.give_back(&self.vault);
        }
        match truncated {
            Truncated::No => {}
            Truncated::Cap => counters.truncated_cap.add(1),
            Truncated::Budget => counters.truncated_budget.add(1),
        }
        self.keep(exchange);
    }
}

impl Ring {
    pub(crate) fn pop(&self) -> Option<Box<Exchange>> {
        let exchange = self.queue.pop()?;
        self.load.fetch_sub(exchange.queued_load, Relaxed);
        Some(exchange)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    fn is_woken(ring: &Ring) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(ring.wake.notified()).poll(&mut context).is_ready()
    }

    #[test]
    fn a_writer_that_takes_none_is_woken_again_for_as_many_more() {
        for (capacity, wakes) in [
            (1, vec![1]),
            (2, vec![2]),
            (100, vec![51]),
            (400, vec![128, 256, 384]),
        ] {
            let channel = Channel::new(1, capacity, 1 << 20);
            let ring = &channel.rings()[0];
            let woken = (1..=2 * capacity).filter(|_| {
                channel.send(channel.exchange());
                is_woken(ring)
            });
            assert_eq!(woken.collect::<Vec<_>>(), wakes, "{capacity}");
            assert_eq!(ring.len(), capacity);
        }
    }
}
