//! The connections of a store, and what is known of its database.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel::prelude::QueryResult;
use diesel_async::AsyncPgConnection;
use tokio::{sync::Mutex as Turn, time::timeout};

use super::{
    address::Address,
    close,
    days::{self, Mode},
    error::Doing,
    migrate,
    pool::{Lease, Pool, lock},
    sqlstate::SqlState,
    write::{self, Rejected},
};
use crate::{
    partition::Day,
    store::{StoreError, StoreOptions, UnixMillis, pack::Batch},
};

/// Each recorder thread writes one batch at a time; there are rarely more of them than cores.
const MAX_WRITERS: u32 = 16;
/// Reads are short; more would only take cores from the database.
const MAX_READERS: u32 = 8;
/// Longer than the server's own timeout for a statement: a server that is cut off says nothing.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What is read, later.
pub(super) type Reading<'a, T> = Pin<Box<dyn Future<Output = QueryResult<T>> + Send + 'a>>;

/// Every connection of a store.
pub(super) struct Connections {
    wanted: Mode,
    writers: Pool,
    /// `None`: so few connections are allowed that the writers' serve.
    readers: Option<Pool>,
    /// Once the schema is known to be up to date.
    mode: Mutex<Option<Mode>>,
    migrating: Turn<()>,
    warned: Mutex<bool>,
}

impl Connections {
    pub(super) fn new(address: Address, options: &StoreOptions) -> Self {
        let address = Arc::new(address);
        // Half of the connections read, so that neither side waits for the other.
        let (writers, readers) = match options.max_open_conns {
            0 => (MAX_WRITERS, MAX_READERS),
            limit => {
                let readers = (limit / 2).min(MAX_READERS);
                ((limit - readers).min(MAX_WRITERS), readers)
            }
        };
        let idle_readers = (options.max_idle_conns / 2).min(readers);
        let idle_writers = (options.max_idle_conns - idle_readers).min(writers);
        let pool = |open: u32, idle: u32| {
            let address = Arc::clone(&address);
            Pool::new(address, open as usize, idle as usize, options.max_lifetime)
        };
        Self {
            wanted: if options.daily_partition {
                Mode::Daily
            } else {
                Mode::Single
            },
            writers: pool(writers, idle_writers),
            readers: (readers > 0).then(|| pool(readers, idle_readers)),
            mode: Mutex::default(),
            migrating: Turn::default(),
            warned: Mutex::default(),
        }
    }

    /// The mode of the database, whose schema is brought up to date before.
    pub(super) async fn mode(&self) -> Result<Mode, StoreError> {
        if let Some(mode) = *lock(&self.mode) {
            return Ok(mode);
        }
        let _turn = self.migrating.lock().await;
        if let Some(mode) = *lock(&self.mode) {
            return Ok(mode);
        }
        let mut lease = self.writers.lease().await?;
        let mode = migrate::migrate(&mut lease.session, self.wanted).await;
        let mode = lease.settle(mode, Doing::Migrating)?;
        let mut warned = lock(&self.warned);
        if mode != self.wanted && !*warned {
            *warned = true;
            tracing::warn!(
                database = mode.as_str(),
                configured = self.wanted.as_str(),
                "the database was begun with other partitions; they are kept"
            );
        }
        *lock(&self.mode) = Some(mode);
        Ok(mode)
    }

    /// Makes the tables of today and of the days to come.
    pub(super) async fn make_days_ahead(&self, now: UnixMillis) -> Result<(), StoreError> {
        let mode = self.mode().await?;
        let days: Vec<Day> = Day::ahead(now).collect();
        let mut lease = self.writers.lease().await?;
        let made = days::make(&mut lease.session, mode, &days).await;
        self.settle(lease, made, Doing::MakingDays)
    }

    /// Writes a batch.
    pub(super) async fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let mode = self.mode().await?;
        let mut lease = self.writers.lease().await?;
        let write = write::write(&mut lease.session, mode, batch);
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(Ok(())) => self.settle(lease, Ok(()), Doing::Writing),
            Ok(Err((doing, error))) => self.settle(lease, Err(error), doing),
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        }
    }

    /// Keeps an exchange that cannot be written.
    pub(super) async fn reject(&self, rejected: &Rejected) -> Result<(), StoreError> {
        self.mode().await?;
        let mut lease = self.writers.lease().await?;
        let kept = write::reject(&mut lease.session, rejected).await;
        self.settle(lease, kept, Doing::Rejecting)
    }

    /// Closes the days that are due, unless another process is at it.
    pub(super) async fn close_days(&self, now: UnixMillis) -> Result<(), StoreError> {
        let mode = self.mode().await?;
        let mut lease = self.writers.lease().await?;
        let closed = close::close_days(&mut lease.session, mode, now).await;
        self.settle(lease, closed, Doing::Closing)
    }

    /// Does this on a connection that reads, in one transaction, so that all it sees is of one moment.
    pub(super) async fn read<T>(
        &self,
        work: impl for<'a> FnOnce(&'a mut AsyncPgConnection, Mode) -> Reading<'a, T>,
    ) -> Result<T, StoreError> {
        let mode = self.mode().await?;
        let pool = self.readers.as_ref().unwrap_or(&self.writers);
        let mut lease = pool.lease().await?;
        let begun = lease.session.begin(BEGIN_READING).await;
        let read = match begun {
            Ok(()) => work(&mut lease.session.connection, mode).await,
            Err(error) => Err(error),
        };
        let read = lease.session.end(read).await;
        self.settle(lease, read, Doing::Reading)
    }

    fn settle<T>(
        &self,
        lease: Lease<'_>,
        result: QueryResult<T>,
        doing: Doing,
    ) -> Result<T, StoreError> {
        if result.is_err() && lease.session.state() == Some(SqlState::NO_TABLE) {
            // The database is another one, or was emptied: it is begun again.
            *lock(&self.mode) = None;
        }
        lease.settle(result, doing)
    }
}
