//! Who may send work to a blocking thread. Work that waits there for its connection takes the thread
//! from the application, which has 512 of them and resolves names on them.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::store::StoreError;

/// As long as SQLite itself waits for another process.
const WAIT_AT_MOST: Duration = Duration::from_secs(10);
/// Maintenance, and an operator who drops days meanwhile: both take the connections step by step.
const CHORES: usize = 2;

/// The queues of those who write, who read, and who keep house.
#[derive(Clone)]
pub(super) struct Turns {
    pub(super) writer: Queue,
    pub(super) readers: Queue,
    pub(super) chores: Queue,
}

impl Turns {
    /// Turns for so many connections that read; where there is none, the writer reads.
    pub(super) fn new(readers: usize) -> Self {
        let writer = Queue::new(1, WAIT_AT_MOST);
        Self {
            readers: match readers {
                0 => writer.clone(),
                readers => Queue::new(readers, WAIT_AT_MOST),
            },
            writer,
            chores: Queue::new(CHORES, WAIT_AT_MOST),
        }
    }
}

/// Lets so many at a time have a blocking thread, in the order in which they came.
#[derive(Clone)]
pub(super) struct Queue {
    turns: Arc<Semaphore>,
    wait_at_most: Duration,
}

impl Queue {
    fn new(at_a_time: usize, wait_at_most: Duration) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_a_time)),
            wait_at_most,
        }
    }

    /// Runs this on a blocking thread when it has its turn. Dropped before, it leaves the queue;
    /// after that it runs to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = timeout(self.wait_at_most, turn).await else {
            let busy = "others have its connections for too long";
            return Err(StoreError::Unavailable(busy.to_owned()));
        };
        let work = move || {
            let _turn = turn;
            work()
        };
        match spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => {
                Err(StoreError::Refused("the store panicked".to_owned()))
            }
            Err(_) => Err(StoreError::Unavailable(
                "the runtime is shutting down".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_is_told_that_the_store_is_busy() {
        let queue = Queue::new(1, Duration::from_millis(10));
        let (release, released) = mpsc::channel::<()>();
        let first = queue.run(move || Ok(released.recv().is_ok()));
        let mut first = std::pin::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        let late = queue.run(|| Ok(())).await;
        assert!(late.unwrap_err().is_transient());
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        queue.run(|| Ok(())).await.unwrap();
    }
}
