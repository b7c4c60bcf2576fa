//! What a writer asks of its store, one thing at a time.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::batch::{Batch, Load};
use crate::{
    rules,
    store::{Store, StoreError, StoreFuture, UnixMillis},
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What came of a job.
#[derive(Debug)]
pub(crate) enum Done {
    Prepared(Result<(), StoreError>),
    Maintained(Result<(), StoreError>),
    Written(Batch, Result<(), StoreError>),
    /// The batch that was refused, why, and whether it could be kept aside.
    Rejected(Batch, String, Result<(), StoreError>),
}

/// A job under way, with the batch it holds.
pub(crate) struct Job {
    future: Pin<Box<dyn Future<Output = Done> + Send>>,
    pub(crate) load: Load,
}

impl Job {
    pub(crate) fn prepare(store: Arc<dyn Store>) -> Self {
        Self::new(Load::default(), async move {
            Done::Prepared(caught(|| store.prepare(unix_millis())).await)
        })
    }

    pub(crate) fn maintain(store: Arc<dyn Store>) -> Self {
        Self::new(Load::default(), async move {
            Done::Maintained(caught(|| store.maintain(unix_millis())).await)
        })
    }

    pub(crate) fn write(store: Arc<dyn Store>, batch: Batch) -> Self {
        Self::new(batch.load(), async move {
            let result = caught(|| store.write(batch.exchanges())).await;
            Done::Written(batch, result)
        })
    }

    /// Keeps the one exchange of a batch that was refused.
    pub(crate) fn reject(store: Arc<dyn Store>, batch: Batch, reason: String) -> Self {
        Self::new(batch.load(), async move {
            let mut result = Ok(());
            for exchange in batch.exchanges() {
                result = caught(|| store.reject(exchange, &reason)).await;
            }
            Done::Rejected(batch, reason, result)
        })
    }

    fn new(load: Load, future: impl Future<Output = Done> + Send + 'static) -> Self {
        Self {
            future: Box::pin(future),
            load,
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
async fn caught<'a, T>(ask: impl FnOnce() -> StoreFuture<'a, T>) -> Result<T, StoreError> {
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
