//! A clock that a test sets: what is recorded now lies at another time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tower_recording::{
    Id, Recorder, RecordingLayer,
    store::{ExchangeRows, Store, StoreFuture, UnixMillis},
};

/// 2071-03-01 12:00 UTC.
pub(super) const NOON: UnixMillis = 3_192_436_800_000;
pub(super) const HOUR: UnixMillis = 3_600_000;
pub(super) const DAY: UnixMillis = 24 * HOUR;

/// The table of the day on which [`NOON`] falls.
pub(super) const TODAY: &str = "conversation_histories_2071_03_01";

/// A store whose clock was moved. An exchange's times are moved on the last step into the database's
/// own store, where the writer no longer looks at them.
#[derive(Debug)]
pub(super) struct Moved {
    /// Its store is the one; it records nothing itself.
    recorder: Recorder,
    by: AtomicI64,
}

impl Moved {
    /// The store that this DSN names, at a time when it is [`NOON`].
    pub(super) fn new(dsn: &str) -> Arc<Self> {
        let clock = Self {
            recorder: RecordingLayer::new(dsn).recorder(),
            by: AtomicI64::new(0),
        };
        clock.set(NOON);
        Arc::new(clock)
    }

    /// Says what time it is now. What is not written yet moves along.
    pub(super) fn set(&self, now: UnixMillis) {
        self.by.store(now - unix_millis(), SeqCst);
    }

    /// What time it is now.
    pub(super) fn now(&self) -> UnixMillis {
        self.moved(unix_millis())
    }

    /// Closes the real store.
    pub(super) async fn end(&self) {
        self.recorder.shutdown(Duration::MAX).await;
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.recorder.store()
    }

    fn moved(&self, time: UnixMillis) -> UnixMillis {
        time + self.by.load(SeqCst)
    }

    fn moved_id(&self, id: Id) -> Id {
        let mut bytes = *id.as_bytes();
        let [_, _, ms @ ..] = self.moved(id.unix_ms()).to_be_bytes();
        bytes[..6].copy_from_slice(&ms);
        Id::from_bytes(bytes)
    }

    fn moved_rows(&self, rows: &ExchangeRows) -> ExchangeRows {
        let mut rows = rows.clone();
        let at = &mut rows.exchange;
        rows.conversation.created_at = self.moved(rows.conversation.created_at);
        (at.created_at, at.exchange_id) =
            (self.moved(at.created_at), self.moved_id(at.exchange_id));
        for message in &mut rows.messages {
            message.id = self.moved_id(message.id);
            message.parent_id = message.parent_id.map(|id| self.moved_id(id));
            message.updated_at = self.moved(message.updated_at);
        }
        if let Some(error) = &mut rows.error {
            error.id = self.moved_id(error.id);
            error.parent_id = error.parent_id.map(|id| self.moved_id(id));
        }
        rows
    }
}

impl Store for Moved {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.store().prepare(self.moved(now))
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let batch: Vec<ExchangeRows> = batch.iter().map(|rows| self.moved_rows(rows)).collect();
        Box::pin(async move { self.store().write(&batch).await })
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let exchange = self.moved_rows(exchange);
        Box::pin(async move { self.store().reject(&exchange, reason).await })
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.store().maintain(self.moved(now))
    }

    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        self.store().secret()
    }
}

/// What time it is for everybody else.
pub(super) fn unix_millis() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_millis() as UnixMillis
}
