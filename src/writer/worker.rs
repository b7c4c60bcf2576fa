//! The writer's loop: it never waits for the store while there is something to take off its ring.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{select, sync::mpsc, time::sleep_until};

use super::{
    Command, Workshop,
    batch::Batch,
    job::{Done, Job, finished, pause_after, unix_millis},
    promises::Promises,
    rows,
};
use crate::{
    exchange::{Exchange, RequestEnd},
    partition::Day,
    store::StoreError,
};

/// How often the ring is looked at while there is traffic. A tick of 1 ms costs a busy two-core
/// machine up to 30 % of its time in the scheduler.
const TICK: Duration = Duration::from_millis(10);
const IDLE_TICK: Duration = Duration::from_millis(100);
/// How long an exchange waits for its request's body, which may outlive the response.
const REQUEST_GRACE: Duration = Duration::from_millis(50);
/// Exchanges that may wait so at a time.
const MOST_WAITING: usize = 1024;
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
    open: Batch,
    /// Batches to write before the open one.
    ready: VecDeque<Batch>,
    /// Preparing, writing, rejecting: one thing at a time.
    job: Option<Job>,
    /// Maintenance, which writing does not wait for.
    chore: Option<Job>,
    promises: Promises,
    inbox_closed: bool,
    prepared: bool,
    next_maintenance: Instant,
    failures: u32,
    next_attempt: Instant,
    tick: Duration,
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
            ready: VecDeque::new(),
            job: None,
            chore: None,
            promises: Promises::default(),
            inbox_closed: false,
            prepared: false,
            next_maintenance: now,
            failures: 0,
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
        loop {
            self.begin_job();
            self.begin_chore();
            let wake_at = self.wake_at();
            select! {
                done = finished(&mut self.job) => self.done(done),
                done = finished(&mut self.chore) => self.done(done),
                command = self.inbox.recv(), if !self.inbox_closed => {
                    self.obey(command, ring.len());
                }
                () = ring.wake.notified() => {}
                () = sleep_until(wake_at.into()) => {}
            }
            ring.attended();
            let before = self.taken;
            self.take_waiting();
            while self.has_room()
                && let Some(exchange) = ring.pop()
            {
                self.taken += 1;
                self.take(exchange);
            }
            self.tick = if self.taken > before {
                TICK
            } else {
                (self.tick * 2).min(IDLE_TICK)
            };
            let settled = self.settled();
            self.promises.answer_flushes(settled);
            if self.promises.is_over(settled) {
                return;
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let mut wake_at = Instant::now() + self.tick;
        if let Some(deadline) = self.promises.deadline() {
            wake_at = wake_at.min(deadline);
        }
        // While a job is under way, or must wait, there is nothing to wake for earlier.
        if !self.open.is_empty() && self.job.is_none() {
            wake_at = wake_at.min(self.due_at().max(self.next_attempt));
        }
        wake_at
    }

    fn has_room(&self) -> bool {
        !self.is_full() && self.ready.is_empty()
    }

    /// Whether the open batch is as large as it may be, or as the budget lets it be.
    fn is_full(&self) -> bool {
        let Workshop {
            channel, settings, ..
        } = &self.workshop;
        !self.open.is_empty()
            && (self.open.rows() >= settings.batch_rows || channel.vault.is_used_up())
    }

    fn obey(&mut self, command: Option<Command>, queued: usize) {
        let target = self.taken + queued as u64;
        match command {
            Some(command) => self.promises.make(command, target),
            None => {
                self.inbox_closed = true;
                self.promises.make_last(target);
            }
        }
    }

    fn take(&mut self, exchange: Box<Exchange>) {
        let reading = exchange.request.state().end == RequestEnd::Open;
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
                || exchange.request.state().end != RequestEnd::Open;
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
            let rows = || rows::make(&self.workshop, &exchange);
            match catch_unwind(AssertUnwindSafe(rows)) {
                Ok(rows) => self.open.push(number, rows, &channel.vault),
                Err(_) => {
                    channel.counters.rejected.add(1);
                    tracing::error!("an exchange was lost: making its rows panicked");
                }
            }
        }
        channel.recycle(exchange);
    }

    fn begin_job(&mut self) {
        let now = Instant::now();
        let Some(store) = &self.workshop.store else {
            return;
        };
        if self.job.is_some() || now < self.next_attempt {
            return;
        }
        let store = Arc::clone(store);
        if !self.prepared {
            self.job = Some(Job::prepare(store));
        } else if let Some(batch) = self.next_batch(now) {
            self.job = Some(Job::write(store, batch));
        }
    }

    /// The next batch to write, without what is too old to be kept.
    fn next_batch(&mut self, now: Instant) -> Option<Batch> {
        let Workshop {
            channel, settings, ..
        } = &self.workshop;
        loop {
            let mut batch = match self.ready.pop_front() {
                Some(batch) => batch,
                None if self.is_due(now) => mem::take(&mut self.open),
                None => return None,
            };
            if let Some(days) = settings.retention_days {
                let oldest = Day::oldest_kept(unix_millis(), days).start_ms();
                let expired = batch.expire(oldest, &channel.vault);
                channel.counters.dropped_expired.add(expired as u64);
            }
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    /// The first writer keeps house for all of them.
    fn begin_chore(&mut self) {
        let now = Instant::now();
        let is_time = self.number == 0 && self.prepared && now >= self.next_maintenance;
        if let Some(store) = &self.workshop.store
            && is_time
            && self.chore.is_none()
        {
            self.next_maintenance = now + MAINTENANCE;
            self.chore = Some(Job::maintain(Arc::clone(store)));
        }
    }

    fn due_at(&self) -> Instant {
        self.open.began() + self.workshop.settings.flush_interval
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.open.is_empty() && (self.is_full() || self.promises.is_any() || now >= self.due_at())
    }

    fn done(&mut self, done: Done) {
        let channel = Arc::clone(&self.workshop.channel);
        let counters = &channel.counters;
        match done {
            Done::Prepared(Ok(())) => {
                self.prepared = true;
                self.recovered();
            }
            Done::Prepared(Err(error)) => self.failed(&error),
            Done::Maintained(Ok(())) => {}
            Done::Maintained(Err(error)) => {
                tracing::warn!(%error, "could not prepare the coming days or close the past ones");
            }
            Done::Written(batch, Ok(())) => {
                counters.written.add(batch.exchanges().len() as u64);
                counters.rows.add(batch.rows() as u64);
                counters.batches.add(1);
                batch.settle(&channel.vault);
                self.recovered();
            }
            Done::Written(batch, Err(error)) if error.is_transient() => {
                counters.retries.add(1);
                self.ready.push_front(batch);
                self.failed(&error);
            }
            Done::Written(batch, Err(_)) if batch.exchanges().len() > 1 => {
                let (first, second) = batch.split();
                self.ready.push_front(second);
                self.ready.push_front(first);
            }
            Done::Written(batch, Err(error)) => {
                let store = self.workshop.store.clone();
                self.job = store.map(|store| Job::reject(store, batch, error.to_string()));
            }
            // It will be refused again, and then there may be room for it among the rejects.
            Done::Rejected(batch, _, Err(error)) if error.is_transient() => {
                self.ready.push_front(batch);
                self.failed(&error);
            }
            Done::Rejected(batch, reason, result) => {
                counters.rejected.add(batch.exchanges().len() as u64);
                for rows in batch.exchanges() {
                    let exchange_id = rows.exchange.exchange_id;
                    match &result {
                        Ok(()) => tracing::warn!(
                            %exchange_id, reason,
                            "the database refused an exchange"
                        ),
                        Err(error) => tracing::error!(
                            %exchange_id, reason, %error,
                            "the database refused an exchange, and to keep it as a reject"
                        ),
                    }
                }
                batch.settle(&channel.vault);
            }
        }
    }

    fn failed(&mut self, error: &StoreError) {
        if self.failures == 0 {
            tracing::warn!(%error, "recording is held back until the database answers");
        }
        self.failures = self.failures.saturating_add(1);
        self.next_attempt = Instant::now() + pause_after(self.failures);
    }

    fn recovered(&mut self) {
        if mem::take(&mut self.failures) > 0 {
            tracing::info!("the database answers again; recording goes on");
        }
    }

    /// The number up to which every exchange is settled.
    fn settled(&self) -> u64 {
        let waiting = self.waiting.front().map(|(number, _)| *number);
        let job = self.job.as_ref().and_then(|job| job.load.first);
        let ready = self.ready.iter().filter_map(Batch::first).min();
        let earliest = [waiting, job, ready, self.open.first()];
        match earliest.into_iter().flatten().min() {
            Some(unsettled) => unsettled - 1,
            None => self.taken,
        }
    }

    /// What is left at the deadline is let go, counted.
    fn drop_rest(&mut self) {
        let channel = Arc::clone(&self.workshop.channel);
        let dropped = &channel.counters.dropped_shutdown;
        for (_, exchange) in self.waiting.drain(..) {
            dropped.add(1);
            channel.recycle(exchange);
        }
        if let Some(job) = self.job.take() {
            channel.counters.unknown.add(job.load.exchanges as u64);
            channel.vault.release(job.load.bytes);
        }
        for batch in self.ready.drain(..).chain([mem::take(&mut self.open)]) {
            dropped.add(batch.exchanges().len() as u64);
            batch.settle(&channel.vault);
        }
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
        self.promises.release();
    }
}
