//! The writer's loop: it never waits for the store while there is something to take off its ring.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::sleep_until,
};

use super::{
    Command, Workshop,
    batch::Batch,
    job::{Done, Job, finished, pause_after},
    rows,
};
use crate::{
    exchange::{Exchange, RequestEnd},
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
/// How long the drop of the last handle leaves for draining.
const DROP_DEADLINE: Duration = Duration::from_secs(30);

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
    job: Option<Job>,
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    shutdown: Option<Shutdown>,
    prepared: bool,
    next_maintenance: Instant,
    failures: u32,
    next_attempt: Instant,
    tick: Duration,
}

struct Shutdown {
    /// What had been handed over when it was asked for.
    target: u64,
    deadline: Instant,
    answers: Vec<oneshot::Sender<()>>,
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
            flushes: Vec::new(),
            shutdown: None,
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
            let wake_at = self.wake_at();
            select! {
                done = finished(&mut self.job) => self.done(done),
                command = self.inbox.recv(), if self.shutdown.is_none() => {
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
            self.answer_flushes();
            if self.is_finished() {
                break;
            }
        }
        self.drop_rest();
        channel.finish(ring);
        for answer in self
            .shutdown
            .into_iter()
            .flat_map(|shutdown| shutdown.answers)
        {
            // Whoever asked may have gone away.
            let _ = answer.send(());
        }
    }

    fn wake_at(&self) -> Instant {
        let tick = Instant::now() + self.tick;
        let tick = match &self.shutdown {
            Some(shutdown) => tick.min(shutdown.deadline),
            None => tick,
        };
        if self.open.is_empty() {
            tick
        } else {
            tick.min(self.open.began() + self.workshop.settings.flush_interval)
        }
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
            Some(Command::Flush(answer)) => self.flushes.push((target, answer)),
            Some(Command::Shutdown(deadline, answer)) => {
                self.shutdown = Some(Shutdown {
                    target,
                    deadline,
                    answers: vec![answer],
                });
            }
            None => {
                self.shutdown = Some(Shutdown {
                    target,
                    deadline: Instant::now() + DROP_DEADLINE,
                    answers: Vec::new(),
                });
            }
        }
    }

    /// Whether somebody waits for what is here to be written.
    fn is_urgent(&self) -> bool {
        self.shutdown.is_some() || !self.flushes.is_empty()
    }

    fn take(&mut self, exchange: Box<Exchange>) {
        let reading = exchange.request.state().end == RequestEnd::Open;
        let in_grace = exchange.ended.elapsed() < REQUEST_GRACE;
        if reading && in_grace && !self.is_urgent() && self.waiting.len() < MOST_WAITING {
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
            if !over && !self.is_urgent() {
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
        self.job = if !self.prepared {
            Some(Job::prepare(store))
        } else if let Some(batch) = self.ready.pop_front() {
            Some(Job::write(store, batch))
        } else if self.is_due(now) {
            Some(Job::write(store, mem::take(&mut self.open)))
        } else if self.number == 0 && now >= self.next_maintenance {
            self.next_maintenance = now + MAINTENANCE;
            Some(Job::maintain(store))
        } else {
            None
        };
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.open.is_empty()
            && (self.is_full()
                || self.is_urgent()
                || now >= self.open.began() + self.workshop.settings.flush_interval)
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
            Done::Rejected(batch, result) => {
                counters.rejected.add(batch.exchanges().len() as u64);
                for rows in batch.exchanges() {
                    let exchange_id = rows.exchange.exchange_id;
                    match &result {
                        Ok(()) => tracing::warn!(%exchange_id, "the database refused an exchange"),
                        Err(error) => tracing::error!(
                            %exchange_id, %error,
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

    /// The earliest exchange that is taken and not settled.
    fn earliest(&self) -> u64 {
        let waiting = self.waiting.front().map(|(number, _)| *number);
        let job = self.job.as_ref().and_then(|job| job.first);
        let ready = self.ready.iter().filter_map(Batch::first).min();
        [waiting, job, ready, self.open.first()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.taken + 1)
    }

    fn has_settled(&self, target: u64) -> bool {
        self.taken >= target && self.earliest() > target
    }

    fn answer_flushes(&mut self) {
        for (target, answer) in mem::take(&mut self.flushes) {
            if self.has_settled(target) {
                let _ = answer.send(());
            } else {
                self.flushes.push((target, answer));
            }
        }
    }

    fn is_finished(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| {
            self.has_settled(shutdown.target) || Instant::now() >= shutdown.deadline
        })
    }

    /// At the deadline, what is left is let go, counted.
    fn drop_rest(&mut self) {
        let channel = Arc::clone(&self.workshop.channel);
        let dropped = &channel.counters.dropped_shutdown;
        for (_, exchange) in self.waiting.drain(..) {
            dropped.add(1);
            channel.recycle(exchange);
        }
        if let Some(job) = self.job.take() {
            dropped.add(job.exchanges as u64);
        }
        for batch in self.ready.drain(..).chain([mem::take(&mut self.open)]) {
            dropped.add(batch.exchanges().len() as u64);
            batch.settle(&channel.vault);
        }
    }
}
