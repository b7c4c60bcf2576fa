//! A store that counts what passes into another one.

use std::sync::{Arc, Mutex};

use tower_recording::store::{ExchangeRows, Recall, Recalled, Store, StoreFuture, UnixMillis};

/// What was done.
#[derive(Clone, Debug, Default)]
pub(super) struct Effort {
    pub(super) batches: usize,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    /// Times that the past was asked for.
    pub(super) recalls: usize,
}

#[derive(Debug)]
pub(super) struct Counted {
    store: Arc<dyn Store>,
    effort: Mutex<Effort>,
}

impl Counted {
    pub(super) fn over(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            effort: Mutex::default(),
        }
    }

    /// What was done since this was asked before.
    pub(super) fn take(&self) -> Effort {
        std::mem::take(&mut *self.effort.lock().expect("no panic"))
    }
}

impl Store for Counted {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.store.prepare(now)
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let mut effort = self.effort.lock().expect("no panic");
        effort.batches += 1;
        for rows in batch {
            effort.rows += rows.messages.len();
            effort.bytes += rows.to_json().len();
        }
        drop(effort);
        self.store.write(batch)
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.store.maintain(now)
    }

    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        self.store.secret()
    }

    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        self.effort.lock().expect("no panic").recalls += 1;
        self.store.recall(wanted)
    }
}
