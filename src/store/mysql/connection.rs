//! The connections of a store: some that write, some that read, none before it is needed.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    days::Mode,
    error::{Answer, Fault, TABLE_CHANGED, asked},
    login::Login,
    migrate::migrate,
    session::Session,
};
use crate::store::{StoreError, StoreOptions};

/// Batches written at once; more only wait for each other inside the server.
const MAX_WRITERS: u32 = 4;
/// Reads are short; more connections would only cost the server.
const MAX_READERS: u32 = 8;
/// A server that has not answered a batch or a read by then will not: the connection is given up.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);
/// A moment for reading may be lost to a table that was just made.
const READ_ATTEMPTS: usize = 3;

/// Opens a moment in which all reads see the same.
const BEGIN_READING: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
     START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// What a store is asked, on the connection that it is given.
pub(super) type Work<'s, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 's>>;

/// Every connection of a store.
pub(super) struct Connections {
    login: Login,
    wanted: Mode,
    max_lifetime: Option<Duration>,
    max_idle: usize,
    warned: AtomicBool,
    mode: tokio::sync::Mutex<Option<Mode>>,
    idle: Mutex<usize>,
    writers: Arc<Lane>,
    /// Closing a day takes long; where one connection more is allowed, batches do not wait for it.
    closer: Arc<Lane>,
    readers: Arc<Lane>,
}

/// Places for connections of one kind.
struct Lane {
    places: Semaphore,
    idle: Mutex<Vec<Session>>,
}

impl Lane {
    fn new(places: u32) -> Arc<Self> {
        Arc::new(Self {
            places: Semaphore::new(places as usize),
            idle: Mutex::new(Vec::new()),
        })
    }
}

impl Connections {
    pub(super) fn new(login: Login, options: &StoreOptions) -> Self {
        let StoreOptions {
            daily_partition,
            retention_days: _,
            usage_retention_days: _,
            max_open_conns,
            max_idle_conns,
            max_lifetime,
        } = options;
        let most = match max_open_conns {
            0 => u32::MAX,
            most => *most,
        };
        let writing = (most.saturating_sub(1) / 2).clamp(1, MAX_WRITERS);
        let writers = Lane::new(writing);
        let closer = match most {
            1 | 2 => Arc::clone(&writers),
            _ => Lane::new(1),
        };
        let readers = match most {
            1 => Arc::clone(&writers),
            2 => Lane::new(1),
            most => Lane::new((most - 1 - writing).min(MAX_READERS)),
        };
        Self {
            login,
            wanted: if *daily_partition {
                Mode::Daily
            } else {
                Mode::Single
            },
            max_lifetime: *max_lifetime,
            max_idle: *max_idle_conns as usize,
            warned: AtomicBool::new(false),
            mode: tokio::sync::Mutex::new(None),
            idle: Mutex::new(0),
            writers,
            closer,
            readers,
        }
    }

    /// Runs this on a connection that writes, for as long as a batch may take.
    pub(super) async fn write<T: 'static>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session, Mode) -> Work<'s, T>,
    ) -> Result<T, StoreError> {
        self.run(&self.writers, move |session, mode| {
            let work = work(session, mode);
            Box::pin(async move { timeout(WORK_TIMEOUT, work).await.unwrap_or_else(|_| late()) })
        })
        .await
    }

    /// Runs this on the connection that closes days, for as long as it takes.
    pub(super) async fn close<T>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session, Mode) -> Work<'s, T>,
    ) -> Result<T, StoreError> {
        self.run(&self.closer, work).await
    }

    /// Runs this on a connection that reads, so that all it sees is of one moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        mut work: impl for<'s> FnMut(&'s mut AsyncMysqlConnection, Mode) -> Work<'s, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(&self.readers, move |session, mode| {
            Box::pin(async move {
                let connection = &mut session.connection;
                let mut attempt = 1;
                loop {
                    connection.batch_execute(BEGIN_READING).await?;
                    let read = timeout(WORK_TIMEOUT, work(connection, mode)).await;
                    let read = asked(connection, read.unwrap_or_else(|_| late())).await;
                    match read {
                        Err(fault) if fault.is(TABLE_CHANGED) && attempt < READ_ATTEMPTS => {
                            connection.batch_execute("ROLLBACK").await?;
                            attempt += 1;
                        }
                        Err(fault) => return Err(fault),
                        Ok(value) => {
                            connection.batch_execute("COMMIT").await?;
                            return Ok(value);
                        }
                    }
                }
            })
        })
        .await
    }

    async fn run<T>(
        &self,
        lane: &Lane,
        work: impl for<'s> FnOnce(&'s mut Session, Mode) -> Work<'s, T>,
    ) -> Result<T, StoreError> {
        let place = lane.places.acquire().await;
        let _place =
            place.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        let result = match self.session(lane).await {
            Ok((mut session, mode)) => {
                let result = work(&mut session, mode).await;
                let result = asked(&mut session.connection, result).await;
                // A right that was granted meanwhile is one of a new session.
                let lost = result.as_ref().is_err_and(Fault::is_transient);
                if !lost {
                    self.put_back(lane, session, result.is_err()).await;
                }
                result
            }
            // Nothing about connecting is the fault of any row.
            Err(fault) => Err(match fault.into_store_error() {
                StoreError::Refused(text) | StoreError::Unavailable(text) => Fault::Away(text),
                StoreError::Unsupported(what) => Fault::Away(what.to_owned()),
            }),
        };
        match result.map_err(Fault::into_store_error) {
            Err(error) if error.is_transient() => {
                // Another server, or an empty database, may answer next time.
                *self.mode.lock().await = None;
                Err(error)
            }
            result => result,
        }
    }

    async fn session(&self, lane: &Lane) -> Answer<(Session, Mode)> {
        let mut session = loop {
            let Some(mut kept) = self.take_idle(lane) else {
                break Session::open(&self.login).await?;
            };
            if kept.is_fresh(self.max_lifetime).await {
                break kept;
            }
        };
        let mut mode = self.mode.lock().await;
        if let Some(mode) = *mode {
            return Ok((session, mode));
        }
        let settled = migrate(&mut session.connection, self.wanted).await;
        let settled = asked(&mut session.connection, settled).await?;
        *mode = Some(settled);
        if settled != self.wanted && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                database = settled.as_str(),
                configured = self.wanted.as_str(),
                "the database was begun with other partitions; they are kept"
            );
        }
        Ok((session, settled))
    }

    fn take_idle(&self, lane: &Lane) -> Option<Session> {
        let session = lock(&lane.idle).pop();
        if session.is_some() {
            *lock(&self.idle) -= 1;
        }
        session
    }

    /// Keeps the connection where it is whole and there is room; else it is closed.
    async fn put_back(&self, lane: &Lane, mut session: Session, has_failed: bool) {
        if session.worn || (has_failed && !session.roll_back().await) {
            return;
        }
        session.rest();
        let mut idle = lock(&self.idle);
        if *idle < self.max_idle {
            *idle += 1;
            lock(&lane.idle).push(session);
        }
    }
}

fn late<T>() -> Answer<T> {
    Err(Fault::Away("the server did not answer in time".to_owned()))
}

/// Locks although another thread panicked: what these locks guard is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
