//! The writer's loop: it never waits for the store while there is something to take off its ring,
//! and finds out where a batch belongs while the store writes the one before.

mod jobs;
mod settle;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::{
    collections::{HashSet, VecDeque},
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{select, sync::mpsc, time::sleep_until};

use super::{
    Command, Workshop,
    batch::Batch,
    hear::{Heard, hear},
    job::{Job, finished},
    promises::Promises,
    refusals::Refusals,
    threading::Order,
};
use crate::{
    exchange::{Exchange, RequestEnd},
    id::Id,
    store::ExchangeRows,
    thread::Threader,
};

/// How often the ring is looked at while there is traffic. A tick of 1 ms costs a busy two-core
/// machine up to 30 % of its time in the scheduler.
const TICK: Duration = Duration::from_millis(10);
const IDLE_TICK: Duration = Duration::from_millis(100);
/// How long an exchange waits for its request's body, which may outlive the response.
const REQUEST_GRACE: Duration = Duration::from_millis(50);
/// Exchanges that may wait so at a time.
const MOST_WAITING: usize = 1024;
/// A batch of this size is written however few rows it is: the stores copy it.
const MAX_BATCH_BYTES: usize = 16 << 20;
const MAINTENANCE: Duration = Duration::from_secs(3600);

/// One writer: its ring, and what it holds.
pub(crate) struct Worker {
    workshop: Workshop,
    number: usize,
    inbox: mpsc::Receiver<Command>,
    /// Exchanges taken off the ring so far; each has its number.
    taken: u64,
    /// Exchanges whose request is still being read.
    waiting: VecDeque<(u64, Box<Exchange>)>,
    open: Batch<Box<Heard>>,
    /// Exchanges whose history may still be on its way, before the open batch.
    held: VecDeque<Held>,
    /// Rows to write before all that.
    frozen: VecDeque<Batch<ExchangeRows>>,
    /// Preparing, writing, rejecting: one thing at a time.
    job: Option<Job>,
    /// Threading, beside that.
    threading: Option<Job>,
    /// `None` before the store is prepared, and while it is threading.
    threader: Option<Box<Threader>>,
    /// Conversations that hold less than the threader remembers: it is to forget them.
    forgotten: HashSet<Id>,
    /// Something that is to be written was not at the first attempt.
    is_delayed: bool,
    /// Maintenance, which writing does not wait for.
    chore: Option<Job>,
    promises: Promises,
    inbox_closed: bool,
    prepared: bool,
    next_maintenance: Instant,
    failures: u32,
    refusals: Refusals,
    next_attempt: Instant,
    tick: Duration,
}

/// Exchanges that are looked at again later.
struct Held {
    due_at: Instant,
    batch: Batch<Box<Heard>>,
    /// What must not overtake them.
    behind: HashSet<Order>,
}

impl Worker {
    pub(crate) fn new(workshop: Workshop, number: usize, inbox: mpsc::Receiver<Command>) -> Self {
        let now = Instant::now();
        Self {
            workshop,
            number,
            inbox,
            taken: 0,
            waiting: VecDeque::new(),
            open: Batch::default(),
            held: VecDeque::new(),
            frozen: VecDeque::new(),
            job: None,
            threading: None,
            threader: None,
            forgotten: HashSet::new(),
            is_delayed: false,
            chore: None,
            promises: Promises::default(),
            inbox_closed: false,
            prepared: false,
            next_maintenance: now,
            failures: 0,
            refusals: Refusals::default(),
            next_attempt: now,
            tick: TICK,
        }
    }

    /// Runs until it is told to shut down, or until the last handle is gone and all is written.
    pub(crate) async fn run(mut self) {
        let channel = Arc::clone(&self.workshop.channel);
        let Some(ring) = channel.rings().get(self.number) else {
            return;
        };
        let mut has_left_some = false;
        loop {
            self.begin_jobs();
            self.begin_chore();
            let wake_at = self.wake_at();
            let goes_on = has_left_some && self.has_room();
            select! {
                // The store is sent what it is to write before the processor is used for the next.
                biased;
                command = self.inbox.recv(), if !self.inbox_closed => {
                    self.obey(command, ring.len());
                }
                done = finished(&mut self.job) => self.done(done),
                done = finished(&mut self.threading) => self.done(done),
                done = finished(&mut self.chore) => self.done(done),
                () = ready(()), if goes_on => {}
                () = ring.wake.notified() => {}
                () = sleep_until(wake_at.into()) => {}
            }
            let before = self.taken;
            self.take_waiting();
            while self.has_room()
                && let Some(exchange) = ring.pop()
            {
                self.taken += 1;
                self.take(exchange);
            }
            has_left_some = !self.has_room();
            self.tick = if self.taken > before {
                TICK
            } else {
                (self.tick * 2).min(IDLE_TICK)
            };
            channel.observe_added();
            #[cfg(feature = "metrics")]
            channel.publish_when_due();
            let settled = self.settled();
            self.promises.answer_flushes(settled);
            let is_quiet = settled == self.taken && !channel.is_awaited() && ring.len() == 0;
            if self.promises.is_over(settled, is_quiet) {
                return;
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let mut wake_at = Instant::now() + self.tick;
        if let Some(deadline) = self.promises.deadline() {
            wake_at = wake_at.min(deadline);
        }
        if let Some(begin) = self.next_begin() {
            wake_at = wake_at.min(begin);
        }
        wake_at
    }

    /// Whether the open batch takes more. The budget may not have it beside rows that wait.
    fn has_room(&self) -> bool {
        let vault = &self.workshop.channel.vault;
        !self.is_full() && (self.frozen.is_empty() || !vault.is_used_up())
    }

    /// Whether the open batch is as large as it may be, or as the budget lets it be.
    fn is_full(&self) -> bool {
        let Workshop {
            channel, settings, ..
        } = &self.workshop;
        let is_large =
            self.open.rows() >= settings.batch_rows || self.open.load().bytes >= MAX_BATCH_BYTES;
        !self.open.is_empty() && (is_large || channel.vault.is_used_up())
    }

    fn obey(&mut self, command: Option<Command>, queued: usize) {
        if let Some(Command::Forget(conversations, _)) = &command {
            self.forgotten.extend(conversations.iter().copied());
        }
        match command {
            Some(command) => self.promises.make(command, self.taken + queued as u64),
            None => {
                self.inbox_closed = true;
                self.promises.make_last();
            }
        }
    }

    fn take(&mut self, exchange: Box<Exchange>) {
        let reading = exchange.request.end() == RequestEnd::Open;
        let in_grace = exchange.ended.elapsed() < REQUEST_GRACE;
        if reading && in_grace && !self.promises.is_any() && self.waiting.len() < MOST_WAITING {
            self.waiting.push_back((self.taken, exchange));
        } else {
            self.work(self.taken, exchange);
        }
    }

    fn take_waiting(&mut self) {
        while self.has_room()
            && let Some((number, exchange)) = self.waiting.pop_front()
        {
            let over = exchange.ended.elapsed() >= REQUEST_GRACE
                || exchange.request.end() != RequestEnd::Open;
            if !over && !self.promises.is_any() {
                self.waiting.push_front((number, exchange));
                return;
            }
            self.work(number, exchange);
        }
    }

    fn work(&mut self, number: u64, exchange: Box<Exchange>) {
        let Workshop { channel, store, .. } = &self.workshop;
        if store.is_none() {
            channel.counters.discarded.add(1);
        } else {
            let heard = || hear(&self.workshop, &exchange);
            let begun = Instant::now();
            let heard = catch_unwind(AssertUnwindSafe(heard));
            channel.counters.decoding_nanos.add_since(begun);
            match heard {
                Ok(Some(heard)) => channel
                    .vault
                    .charge(self.open.push(number, Box::new(heard))),
                Ok(None) => channel.counters.opted_out.add(1),
                Err(_) => {
                    channel.counters.rejected.add(1);
                    tracing::error!("an exchange was lost: decoding it panicked");
                }
            }
        }
        channel.recycle(exchange);
    }
}

/// However a writer ends, what it had is accounted for, and nobody waits for it.
impl Drop for Worker {
    fn drop(&mut self) {
        self.drop_rest();
        let channel = &self.workshop.channel;
        if let Some(ring) = channel.rings().get(self.number) {
            channel.finish(ring);
        }
        channel.observe_added();
        #[cfg(feature = "metrics")]
        channel.publish();
        self.promises.release();
    }
}
