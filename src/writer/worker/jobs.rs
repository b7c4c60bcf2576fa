//! What a worker asks of its store next.

use std::{collections::HashSet, mem, sync::Arc, time::Instant};

use super::{MAINTENANCE, Worker};
use crate::{
    partition::Day,
    store::ExchangeRows,
    writer::{
        Workshop,
        batch::Batch,
        hear::Heard,
        job::{Job, unix_millis},
        threading::Order,
    },
};

impl Worker {
    pub(super) fn begin_job(&mut self) {
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
        } else if let Some(batch) = self.next_frozen() {
            let channel = Arc::clone(&self.workshop.channel);
            self.job = Some(Job::write(channel, store, batch));
        } else if let Some((batch, behind)) = self.next_heard(now)
            && let Some(mut threader) = self.threader.take()
        {
            if !self.deleted.is_empty() {
                threader.forget_conversations(&mem::take(&mut self.deleted));
            }
            let workshop = self.workshop.clone();
            self.job = Some(Job::thread(workshop, store, threader, batch, behind));
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
                for rows in expired.values() {
                    if let Some(threader) = &mut self.threader {
                        threader.forget(rows);
                    }
                }
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
    fn next_heard(&mut self, now: Instant) -> Option<(Batch<Heard>, HashSet<Order>)> {
        if self.held.front().is_some_and(|held| held.due_at <= now) {
            let held = self.held.pop_front()?;
            return Some((held.batch, HashSet::new()));
        }
        let behind = self.held.iter().flat_map(|held| &held.behind);
        self.is_due(now)
            .then(|| (mem::take(&mut self.open), behind.copied().collect()))
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
        if self.job.is_some() {
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
