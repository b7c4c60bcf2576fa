//! The connections of a store, and what is known of its database.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel::prelude::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio::{join, sync::Mutex as Turn, time::timeout};

use super::{
    address::Address,
    close, days,
    error::Doing,
    migrate,
    mode::Mode,
    pool::{Lease, Pool, lock},
    reject::{self, Rejected},
    repartition, replica,
    sqlstate::SqlState,
    write,
};
use crate::{
    partition::Day,
    store::{
        StoreError, StoreOptions, UnixMillis,
        deletion::Fate,
        pack::Batch,
        patience,
        replica::{Stamp, behind},
    },
};

/// Each recorder thread writes one batch at a time; there are rarely more of them than cores.
const MAX_WRITERS: u32 = 16;
/// Reads are short; more would only take cores from the database.
const MAX_READERS: u32 = 8;
/// Longer than the server's own timeout for a statement: a server that is cut off says nothing.
pub(super) const WORK_TIMEOUT: Duration = Duration::from_secs(60);

/// How a reading transaction begins. A statement sees rows as of the first one's begin, but tables as
/// of its own. Rows move to other tables under the other side of this lock, which is taken before that
/// begin.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     LOCK TABLE recording_meta IN ACCESS SHARE MODE";

/// The same for what concerns few days: a plan for whichever days would have the partitions of all of them.
const BEGIN_READING_DAYS: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL plan_cache_mode = force_custom_plan; \
     LOCK TABLE recording_meta IN ACCESS SHARE MODE";

/// The same for statements that have their days in their text.
const BEGIN_READING_PLANNED: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL plan_cache_mode = force_generic_plan; \
     LOCK TABLE recording_meta IN ACCESS SHARE MODE";

/// What is read, later.
pub(super) type Reading<'a, T> = Pin<Box<dyn Future<Output = QueryResult<T>> + Send + 'a>>;

/// How statements are planned.
#[derive(Clone, Copy)]
pub(super) enum Plans {
    /// As the server thinks best.
    Any,
    /// Anew for each read.
    OfDays,
    /// Once a connection.
    Kept,
}

impl Plans {
    /// How a transaction with such plans begins. Citus plans what it sends to nodes for the values of each.
    fn begin(self, has_citus: bool) -> &'static str {
        match self {
            Self::Any => BEGIN_READING,
            Self::Kept if !has_citus => BEGIN_READING_PLANNED,
            _ => BEGIN_READING_DAYS,
        }
    }
}

/// Every connection of a store.
pub(super) struct Connections {
    wanted: Mode,
    pub(super) retention_days: Option<u32>,
    pub(super) usage_retention_days: Option<u32>,
    pub(super) writers: Pool,
    /// `None`: so few connections are allowed that the writers' serve.
    readers: Option<Pool>,
    /// Whether the schema is known to be up to date, or is none of our business.
    ready: Mutex<bool>,
    read_only: bool,
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
            wanted: Mode::new(options.daily_partition),
            retention_days: options.retention_days,
            usage_retention_days: options.usage_retention_days,
            writers: pool(writers, idle_writers),
            readers: (readers > 0).then(|| pool(readers, idle_readers)),
            ready: Mutex::new(options.read_only),
            read_only: options.read_only,
            migrating: Turn::default(),
            warned: Mutex::default(),
        }
    }

    /// Brings the schema up to date, unless it is known to be.
    pub(super) async fn make_ready(&self) -> Result<(), StoreError> {
        if *lock(&self.ready) {
            return Ok(());
        }
        let _turn = self.migrating.lock().await;
        if *lock(&self.ready) {
            return Ok(());
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
        *lock(&self.ready) = true;
        Ok(())
    }

    /// Makes the tables of today and of the days to come.
    pub(super) async fn make_days_ahead(&self, now: UnixMillis) -> Result<(), StoreError> {
        let days: Vec<Day> = Day::ahead(now).collect();
        self.make_days(&days).await.map(drop)
    }

    /// Makes the missing tables of these days, and says whether there were any.
    pub(super) async fn make_days(&self, days: &[Day]) -> Result<bool, StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let made = days::make(&mut lease.session, days).await;
        self.settle(lease, made, Doing::MakingDays)
    }

    /// Writes a batch, unless it holds what was deleted.
    pub(super) async fn write(&self, batch: &Batch) -> Result<Fate, StoreError> {
        let mut is_first = true;
        loop {
            self.make_ready().await?;
            let mut lease = self.writers.lease().await?;
            let write = write::write(&mut lease.session, batch);
            let Ok(written) = timeout(WORK_TIMEOUT, write).await else {
                return Err(StoreError::Unavailable("no answer in time".to_owned()));
            };
            let state = lease.session.state();
            let (written, doing) = match written {
                Ok(fate) => (Ok(fate), Doing::Writing),
                Err((doing, error)) => (Err(error), doing),
            };
            let written = self.settle(lease, written, doing);
            let is_stale = state.is_some_and(SqlState::is_stale_statement);
            if written.is_ok() || !is_stale || !is_first {
                return written;
            }
            // Those of the other connections are no better.
            self.writers.close_idle();
            is_first = false;
        }
    }

    /// Keeps an exchange that cannot be written, unless it was deleted.
    pub(super) async fn reject(&self, rejected: &Rejected) -> Result<(), StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let kept = reject::reject(&mut lease.session, rejected).await;
        self.settle(lease, kept, Doing::Rejecting)
    }

    /// Closes the days that are due, unless another process is at it.
    pub(super) async fn close_days(&self, now: UnixMillis) -> Result<(), StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let closed = close::close_days(&mut lease.session, now).await;
        self.settle(lease, closed, Doing::Closing)
    }

    /// Changes whether days have tables of their own.
    pub(super) async fn repartition(&self, mode: Mode) -> Result<(), StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let moved = repartition::repartition(&mut lease.session, mode).await;
        self.settle(lease, moved, Doing::Repartitioning)
    }

    /// How long a read may take.
    pub(super) fn patience(&self) -> Duration {
        if *lock(&self.ready) {
            patience::READ
        } else {
            patience::FIRST_READ
        }
    }

    /// Does this on a connection that reads, in one transaction, so that all it sees is of one moment, with
    /// this stamp; once more where a connection's statements turn out to be stale.
    pub(super) async fn read<T>(
        &self,
        plans: Plans,
        stamp: Option<Stamp>,
        mut work: impl for<'a> FnMut(&'a AsyncPgConnection) -> Reading<'a, T>,
    ) -> Result<T, StoreError> {
        let mut is_first = true;
        loop {
            self.make_ready().await?;
            let mut lease = self.readers().lease().await?;
            let begin = plans.begin(lease.session.has_citus);
            lease.session.forget_state();
            // What is read first is sent right behind, and fails where this does.
            let mut connection = &lease.session.connection;
            let begun = connection.batch_execute(begin);
            let read = read_at(&lease.session.connection, stamp.as_ref(), &mut work);
            let (begun, read) = join!(begun, read);
            let read = begun.and(read);
            let read = lease.session.end(read).await;
            let state = lease.session.state();
            let read = self.settle(lease, read, Doing::Reading);
            let is_stale = state.is_some_and(SqlState::is_stale_statement);
            if read.is_ok() || !is_stale || !is_first {
                return read?.ok_or_else(behind);
            }
            // Those of the other connections are no better.
            self.close_idle_readers();
            is_first = false;
        }
    }

    pub(super) fn close_idle_readers(&self) {
        self.readers().close_idle();
    }

    fn readers(&self) -> &Pool {
        self.readers.as_ref().unwrap_or(&self.writers)
    }

    /// Ends a loan, and begins the database again where it turned out to be another one.
    pub(super) fn settle<T>(
        &self,
        lease: Lease<'_>,
        result: QueryResult<T>,
        doing: Doing,
    ) -> Result<T, StoreError> {
        if result.is_err() && lease.session.state() == Some(SqlState::NO_TABLE) {
            // The database is another one, or was emptied: it is begun again.
            *lock(&self.ready) = self.read_only;
        }
        lease.settle(result, doing)
    }
}

/// Reads, where the database has this stamp.
async fn read_at<T>(
    connection: &AsyncPgConnection,
    stamp: Option<&Stamp>,
    work: &mut impl for<'a> FnMut(&'a AsyncPgConnection) -> Reading<'a, T>,
) -> QueryResult<Option<T>> {
    if let Some(stamp) = stamp
        && replica::stamp(connection).await? != *stamp
    {
        return Ok(None);
    }
    work(connection).await.map(Some)
}
