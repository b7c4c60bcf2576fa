//! What became of what a worker asked of its store.

use std::{mem, sync::Arc, time::Instant};

use super::{Held, Worker};
use crate::{
    span,
    store::{ExchangeRows, Recorded, StoreError},
    thread::Threader,
    writer::{
        batch::Batch,
        job::{Done, Job, pause_after},
        threading::Threaded,
    },
};

impl Worker {
    pub(super) fn done(&mut self, done: Done) {
        match done {
            Done::Prepared(Ok(secret)) => {
                self.prepared = true;
                let within = self.workshop.settings.infer_within;
                let within_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
                self.threader = Some(Box::new(Threader::new(secret, within_ms)));
                self.recovered();
            }
            Done::Prepared(Err(error)) => self.failed(&error),
            Done::Maintained(Ok(())) => {}
            Done::Maintained(Err(error)) => {
                tracing::warn!(%error, "could not prepare the coming days or close the past ones");
            }
            Done::Threaded(threader, load, threaded) => {
                self.workshop.channel.vault.release(load.bytes);
                self.threaded(threader, *threaded);
            }
            Done::Written(batch, result) => self.written(batch, result),
            Done::Rejected(batch, reason, result) => self.rejected(batch, &reason, result),
        }
    }

    fn threaded(&mut self, threader: Box<Threader>, threaded: Threaded) {
        self.threader = Some(threader);
        let Threaded {
            rows,
            held,
            behind,
            left,
            error,
            making: _,
        } = threaded;
        for bytes in [rows.load().bytes, held.load().bytes, left.load().bytes] {
            self.workshop.channel.vault.charge(bytes);
        }
        if !rows.is_empty() {
            self.frozen.push_back(rows);
        }
        let now = Instant::now();
        if !held.is_empty() {
            self.held.push_back(Held {
                due_at: now + self.workshop.settings.flush_interval,
                batch: held,
                behind,
            });
        }
        if !left.is_empty() {
            // Before all others: it keeps its order with them.
            self.held.push_front(Held {
                due_at: now,
                behind: Default::default(),
                batch: left,
            });
        }
        match error {
            Some(error) => {
                self.workshop.channel.counters.retries.add(1);
                self.failed(&error);
            }
            None => self.recovered(),
        }
    }

    fn written(&mut self, batch: Batch<ExchangeRows>, result: Result<Recorded, StoreError>) {
        let channel = Arc::clone(&self.workshop.channel);
        let counters = &channel.counters;
        self.is_delayed |= result.is_err();
        match result {
            Ok(Recorded {
                erased,
                deleted,
                left_out,
            }) => {
                let written = batch.load().exchanges.saturating_sub(erased.len());
                counters.written.add(written as u64);
                counters.erased.add(erased.len() as u64);
                self.forgotten.extend(deleted);
                let is_erased = |rows: &&ExchangeRows| erased.contains(&rows.exchange.exchange_id);
                let kept = batch.values().iter().filter(|rows| !is_erased(rows));
                span::emit(kept);
                let erased = batch.values().iter().filter(is_erased);
                self.forgotten
                    .extend(erased.map(|rows| rows.conversation.id));
                let rows = batch.rows().saturating_sub(left_out) as u64;
                counters.rows.add(rows);
                counters.batches.add(1);
                channel.distributions.batch_rows.observe(rows);
                channel.vault.release(batch.load().bytes);
                self.recovered();
            }
            Err(error) if error.is_transient() => {
                counters.retries.add(1);
                self.frozen.push_front(batch);
                self.failed(&error);
            }
            Err(_) if batch.values().len() > 1 => {
                let (first, second) = batch.split();
                self.frozen.push_front(second);
                self.frozen.push_front(first);
            }
            Err(error) => {
                let store = self.workshop.store.clone();
                self.job = store.map(|store| Job::reject(store, batch, error.to_string()));
            }
        }
    }

    fn rejected(
        &mut self,
        batch: Batch<ExchangeRows>,
        reason: &str,
        result: Result<(), StoreError>,
    ) {
        let channel = Arc::clone(&self.workshop.channel);
        if let Err(error) = &result
            && error.is_transient()
        {
            // It will be refused again, and then there may be room for it among the rejects.
            self.frozen.push_front(batch);
            return self.failed(error);
        }
        channel.counters.rejected.add(batch.load().exchanges as u64);
        for rows in batch.values() {
            self.refusals.tell(rows, reason, result.as_ref().copied());
            self.forgotten.insert(rows.conversation.id);
        }
        channel.vault.release(batch.load().bytes);
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
    pub(super) fn settled(&self) -> u64 {
        let waiting = self.waiting.front().map(|(number, _)| *number);
        let jobs = self.jobs().filter_map(|job| job.load.first).min();
        let frozen = self.frozen.iter().filter_map(Batch::first).min();
        let held = self.held.iter().filter_map(|held| held.batch.first()).min();
        let earliest = [waiting, jobs, frozen, held, self.open.first()];
        match earliest.into_iter().flatten().min() {
            Some(unsettled) => unsettled - 1,
            None => self.taken,
        }
    }

    fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.job.iter().chain(&self.threading)
    }

    /// What is left at the deadline is let go, counted.
    pub(super) fn drop_rest(&mut self) {
        let channel = Arc::clone(&self.workshop.channel);
        let dropped = &channel.counters.dropped_shutdown;
        for (_, exchange) in self.waiting.drain(..) {
            dropped.add(1);
            channel.recycle(exchange);
        }
        for job in self.job.take().into_iter().chain(self.threading.take()) {
            let counter = match job.may_write {
                true => &channel.counters.unknown,
                false => dropped,
            };
            counter.add(job.load.exchanges as u64);
            channel.vault.release(job.load.bytes);
        }
        for batch in self.frozen.drain(..) {
            dropped.add(batch.load().exchanges as u64);
            channel.vault.release(batch.load().bytes);
        }
        let held = self.held.drain(..).map(|held| held.batch);
        for batch in held.chain([mem::take(&mut self.open)]) {
            dropped.add(batch.load().exchanges as u64);
            channel.vault.release(batch.load().bytes);
        }
    }
}
