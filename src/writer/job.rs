//! What a writer asks of its store.

use std::{
    collections::HashSet,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::{
    Workshop,
    batch::{Batch, Load},
    hear::Heard,
    threading::{Order, Threaded, thread},
};
use crate::{
    channel::Channel,
    rules,
    store::{ExchangeRows, Recorded, Store, StoreError, StoreFuture, UnixMillis},
    thread::{Key, Threader},
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What came of a job.
#[derive(Debug)]
pub(crate) enum Done {
    /// With the database's secret.
    Prepared(Result<Key, StoreError>),
    Maintained(Result<(), StoreError>),
    /// With what was charged for the batch that was threaded.
    Threaded(Box<Threader>, Load, Box<Threaded>),
    Written(Batch<ExchangeRows>, Result<Recorded, StoreError>),
    /// The batch that was refused, why, and whether it could be kept aside.
    Rejected(Batch<ExchangeRows>, String, Result<(), StoreError>),
}

/// A job under way, with the batch it holds.
pub(crate) struct Job {
    future: Pin<Box<dyn Future<Output = Done> + Send>>,
    pub(crate) load: Load,
    /// Whether what it holds may stand in the database when it is broken off.
    pub(crate) may_write: bool,
}

impl Job {
    pub(crate) fn prepare(store: Arc<dyn Store>) -> Self {
        Self::new(Load::default(), false, async move {
            Done::Prepared(match caught(|| store.prepare(unix_millis())).await {
                Ok(()) => caught(|| store.secret()).await,
                Err(error) => Err(error),
            })
        })
    }

    pub(crate) fn maintain(store: Arc<dyn Store>) -> Self {
        Self::new(Load::default(), false, async move {
            Done::Maintained(caught(|| store.maintain(unix_millis())).await)
        })
    }

    /// Finds a place for each exchange of a batch.
    pub(crate) fn thread(
        workshop: Workshop,
        store: Arc<dyn Store>,
        mut threader: Box<Threader>,
        batch: Batch<Box<Heard>>,
        behind: HashSet<Order>,
    ) -> Self {
        let load = batch.load();
        Self::new(load, false, async move {
            let begun = Instant::now();
            let threaded = thread(&workshop, &*store, &mut threader, batch, behind).await;
            let counters = &workshop.channel.counters;
            let looking = begun.elapsed().saturating_sub(threaded.making);
            counters.threading_nanos.add_time(looking);
            counters.making_nanos.add_time(threaded.making);
            Done::Threaded(threader, load, Box::new(threaded))
        })
    }

    pub(crate) fn write(
        channel: Arc<Channel>,
        store: Arc<dyn Store>,
        batch: Batch<ExchangeRows>,
    ) -> Self {
        Self::new(batch.load(), true, async move {
            let begun = Instant::now();
            let result = caught(|| store.record(batch.values())).await;
            let nanos = begun.elapsed().as_nanos() as u64;
            channel.counters.writing_nanos.add(nanos);
            channel.distributions.store_seconds.observe(nanos);
            Done::Written(batch, result)
        })
    }

    /// Keeps the one exchange of a batch that was refused.
    pub(crate) fn reject(
        store: Arc<dyn Store>,
        batch: Batch<ExchangeRows>,
        reason: String,
    ) -> Self {
        Self::new(batch.load(), true, async move {
            let mut result = Ok(());
            for exchange in batch.values() {
                result = caught(|| store.reject(exchange, &reason)).await;
            }
            Done::Rejected(batch, reason, result)
        })
    }

    fn new(
        load: Load,
        may_write: bool,
        future: impl Future<Output = Done> + Send + 'static,
    ) -> Self {
        Self {
            future: Box::pin(future),
            load,
            may_write,
        }
    }
}

/// Waits for the job, or for ever where there is none.
pub(crate) async fn finished(job: &mut Option<Job>) -> Done {
    let done = match job {
        Some(job) => job.future.as_mut().await,
        None => std::future::pending().await,
    };
    *job = None;
    done
}

/// A store that panics has refused what it was asked, and the writer goes on.
pub(super) async fn caught<'a, T>(
    ask: impl FnOnce() -> StoreFuture<'a, T>,
) -> Result<T, StoreError> {
    let panicked = |_| StoreError::Refused("the store panicked".into());
    let mut future = catch_unwind(AssertUnwindSafe(ask)).map_err(panicked)?;
    poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic))))
    })
    .await
}

pub(crate) fn unix_millis() -> UnixMillis {
    (rules::now() / 1_000_000) as UnixMillis
}

/// How long to wait after so many failures in a row: twice as long each time, up to 5 s.
pub(crate) fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(LAST_PAUSE)
}
