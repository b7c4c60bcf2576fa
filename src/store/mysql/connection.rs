//! The connections of a store: some that write, some that read, none before it is needed.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};

use super::{
    error::{Answer, Fault, asked},
    layout::{Layout, Mode},
    login::Login,
    migrate::migrate,
    session::Session,
};
use crate::store::{StoreError, StoreOptions, patience};

/// Batches written at once; more only wait for each other inside the server.
const MAX_WRITERS: u32 = 4;
/// Reads are short; more connections would only cost the server.
const MAX_READERS: u32 = 8;
/// A server that has not answered a batch or a read by then will not: the connection is given up.
pub(super) const WORK_TIMEOUT: Duration = Duration::from_secs(60);
/// What a store is asked, on the connection that it is given.
pub(super) type Work<'s, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 's>>;

/// Every connection of a store.
pub(super) struct Connections {
    login: Login,
    wanted: Mode,
    /// The tables are as they are.
    read_only: bool,
    max_lifetime: Option<Duration>,
    max_idle: usize,
    warned: AtomicBool,
    /// The schema was up to date, so that it takes no time to see whether it is.
    ready: AtomicBool,
    /// The schema is up to date, as far as is known.
    is_settled: tokio::sync::Mutex<bool>,
    idle: Mutex<usize>,
    pub(super) writers: Arc<Lane>,
    /// Upkeep takes long; where one connection more is allowed, batches do not wait for it.
    keeper: Arc<Lane>,
    pub(super) readers: Arc<Lane>,
}

/// Places for connections of one kind.
pub(super) struct Lane {
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
            read_only,
        } = options;
        let most = match max_open_conns {
            0 => u32::MAX,
            most => *most,
        };
        let writing = (most.saturating_sub(1) / 2).clamp(1, MAX_WRITERS);
        let writers = Lane::new(writing);
        let keeper = match most {
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
            read_only: *read_only,
            max_lifetime: *max_lifetime,
            max_idle: *max_idle_conns as usize,
            warned: AtomicBool::new(false),
            ready: AtomicBool::new(*read_only),
            is_settled: tokio::sync::Mutex::default(),
            idle: Mutex::new(0),
            writers,
            keeper,
            readers,
        }
    }

    /// Runs this on a connection that writes, for as long as a batch may take.
    pub(super) async fn write<T: 'static>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session) -> Work<'s, T>,
    ) -> Result<T, StoreError> {
        self.run(&self.writers, move |session| {
            let work = work(session);
            Box::pin(async move { timeout(WORK_TIMEOUT, work).await.unwrap_or_else(|_| late()) })
        })
        .await
    }

    /// The largest packet that the server takes, in bytes.
    pub(super) async fn max_packet(&self) -> Result<usize, StoreError> {
        self.write(|session| {
            let max_packet = session.max_packet;
            Box::pin(async move { Ok(max_packet) })
        })
        .await
    }

    /// Runs this on the connection of the upkeep, for as long as it takes.
    pub(super) async fn keep<T>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session) -> Work<'s, T>,
    ) -> Result<T, StoreError> {
        self.run(&self.keeper, work).await
    }

    /// How long a read may take.
    pub(super) fn patience(&self) -> Duration {
        if self.ready.load(Ordering::Relaxed) {
            patience::READ
        } else {
            patience::FIRST_READ
        }
    }

    pub(super) async fn run<T>(
        &self,
        lane: &Lane,
        work: impl for<'s> FnOnce(&'s mut Session) -> Work<'s, T>,
    ) -> Result<T, StoreError> {
        let place = lane.places.acquire().await;
        let _place =
            place.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        let result = match self.session(lane).await {
            Ok(mut session) => {
                let result = work(&mut session).await;
                let result = asked(&mut session.connection, result).await;
                // A right that is granted now counts on the connections that are made from now on.
                let lost = matches!(result, Err(Fault::Away(_) | Fault::Server(_, Some(_))));
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
                self.look_again().await;
                Err(error)
            }
            result => result,
        }
    }

    /// Has the next call look again whether the schema is up to date.
    async fn look_again(&self) {
        *self.is_settled.lock().await = false;
    }

    async fn session(&self, lane: &Lane) -> Answer<Session> {
        let mut session = loop {
            let Some(mut kept) = self.take_idle(lane) else {
                break Session::open(&self.login).await?;
            };
            if kept.is_fresh(self.max_lifetime).await {
                break kept;
            }
        };
        let mut is_settled = self.is_settled.lock().await;
        if *is_settled {
            return Ok(session);
        }
        if session.only_reads {
            session = Session::open(&self.login).await?;
        }
        let settled = match self.read_only {
            true => Layout::read(&mut session.connection).await,
            false => migrate(&mut session.connection, self.wanted).await,
        };
        let settled = asked(&mut session.connection, settled).await?;
        *is_settled = true;
        self.ready.store(true, Ordering::Relaxed);
        let differs = settled.mode != self.wanted && !self.read_only;
        if differs && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                database = settled.mode.as_str(),
                configured = self.wanted.as_str(),
                "the database's partitions are others than configured; they are kept"
            );
        }
        Ok(session)
    }

    pub(super) fn close_idle_readers(&self) {
        let closed = std::mem::take(&mut *lock(&self.readers.idle));
        *lock(&self.idle) -= closed.len();
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

pub(super) fn late<T>() -> Answer<T> {
    Err(Fault::Away("the server did not answer in time".to_owned()))
}

/// Locks although another thread panicked: what these locks guard is whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
