//! What a worker asks of its store next.

use std::{collections::HashSet, mem, sync::Arc, time::Instant};

use super::{MAINTENANCE, Worker};
use crate::{
    partition::Day,
    store::ExchangeRows,
    thread::Threader,
    writer::{
        Workshop,
        batch::Batch,
        hear::Heard,
        job::{Job, unix_millis},
        threading::Order,
    },
};

impl Worker {
    pub(super) fn begin_jobs(&mut self) {
        let now = Instant::now();
        let Some(store) = self.workshop.store.clone() else {
            return;
        };
        if now < self.next_attempt {
            return;
        }
        if self.job.is_none() {
            if !self.prepared {
                self.job = Some(Job::prepare(store));
                return;
            }
            if let Some(batch) = self.next_frozen() {
                let channel = Arc::clone(&self.workshop.channel);
                self.job = Some(Job::write(channel, Arc::clone(&store), batch));
            } else {
                self.is_delayed = false;
            }
        }
        if let Some(mut threader) = self.threader.take() {
            match self.next_heard(&threader, now) {
                Some((batch, behind)) => {
                    if !self.forgotten.is_empty() {
                        threader.forget_conversations(&mem::take(&mut self.forgotten));
                    }
                    let workshop = self.workshop.clone();
                    let job = Job::thread(workshop, store, threader, batch, behind);
                    self.threading = Some(job);
                }
                None => self.threader = Some(threader),
            }
        }
    }

    /// The next rows to write, without what is too old to be kept.
    fn next_frozen(&mut self) -> Option<Batch<ExchangeRows>> {
        let Workshop {
            channel, settings, ..
        } = &self.workshop;
        loop {
            let mut batch = self.frozen.pop_front()?;
            if let Some(days) = settings.retention_days {
                let oldest = Day::oldest_kept(unix_millis(), days).start_ms();
                let expired = batch.expire(oldest);
                let expired_rows = expired.values().iter();
                self.forgotten
                    .extend(expired_rows.map(|rows| rows.conversation.id));
                let expired = expired.load();
                channel
                    .counters
                    .dropped_expired
                    .add(expired.exchanges as u64);
                channel.vault.release(expired.bytes);
            }
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    /// The next exchanges to find a place for, and what they must not overtake.
    fn next_heard(
        &mut self,
        threader: &Threader,
        now: Instant,
    ) -> Option<(Batch<Box<Heard>>, HashSet<Order>)> {
        let held = self.held.front().filter(|held| held.due_at <= now);
        let next = held.map_or(&self.open, |held| &held.batch);
        let is_writing = self.job.is_some();
        if is_writing && !self.may_run_ahead(threader, next) {
            return None;
        }
        if held.is_some() {
            let held = self.held.pop_front()?;
            return Some((held.batch, HashSet::new()));
        }
        let is_due = match is_writing {
            // One that is not full may become so before its turn comes.
            true => self.is_full(),
            false => self.is_due(now),
        };
        let behind = self.held.iter().flat_map(|held| &held.behind);
        is_due.then(|| (mem::take(&mut self.open), behind.copied().collect()))
    }

    /// Whether this batch may be threaded before the one that is being written is known to stand
    /// there. It is as if both were one: where a message turns out to be refused, what follows it is
    /// read without it. So after trouble the threader waits until all is settled, and it never has to
    /// ask for what the database does not have yet.
    fn may_run_ahead(&self, threader: &Threader, batch: &Batch<Box<Heard>>) -> bool {
        let is_smooth = !self.is_delayed && self.frozen.is_empty() && self.forgotten.is_empty();
        let written = self.job.as_ref().map_or(0, |job| job.load.rows);
        let made = batch.values().iter().map(|heard| heard.most_rows());
        is_smooth && threader.remembers(written + made.sum::<usize>())
    }

    /// The first writer keeps house for all of them.
    pub(super) fn begin_chore(&mut self) {
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

    /// When there is something to begin, unless a job ends or an exchange comes before.
    pub(super) fn next_begin(&self) -> Option<Instant> {
        if self.job.is_some() || self.threading.is_some() {
            return None;
        }
        let open = (!self.open.is_empty()).then(|| self.open_due_at());
        let held = self.held.front().map(|held| held.due_at);
        let due_at = [open, held].into_iter().flatten().min()?;
        Some(due_at.max(self.next_attempt))
    }

    fn open_due_at(&self) -> Instant {
        self.open.began() + self.workshop.settings.flush_interval
    }

    fn is_due(&self, now: Instant) -> bool {
        let is_due = || self.is_full() || self.promises.is_any() || now >= self.open_due_at();
        !self.open.is_empty() && is_due()
    }
}
