//! Writers that are fed with ready batches, each on a thread of its own.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};
use tower_recording::store::{ExchangeRows, Store};

use crate::{
    limit::Limit,
    rows::Batches,
    samples::{Running, Sample},
};

/// Where batches go.
pub enum Target {
    Limit(Limit),
    Store(Arc<dyn Store>),
}

impl Target {
    async fn write(&mut self, batch: &[ExchangeRows]) {
        match self {
            Self::Limit(limit) => limit.write(batch).await,
            Self::Store(store) => store.write(batch).await.expect("a store that answers"),
        }
    }
}

/// One writer.
pub struct Lane {
    runtime: Runtime,
    target: Target,
    batches: Batches,
}

impl Lane {
    /// A writer whose target is made on its own runtime, where its connection then lives.
    pub fn new(batches: Batches, target: impl AsyncFnOnce() -> Target) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        Self {
            target: runtime.block_on(target()),
            runtime,
            batches,
        }
    }

    /// Writes a batch and says how many rows it had.
    pub fn write(&mut self) -> u64 {
        let batch = self.batches.next();
        self.runtime.block_on(self.target.write(batch));
        batch.iter().map(|rows| rows.messages.len() as u64).sum()
    }

    fn write_until(&mut self, until: Instant) -> u64 {
        let mut rows = 0;
        while Instant::now() < until {
            rows += self.write();
        }
        rows
    }
}

/// All of them write at once.
pub fn run(lanes: &mut [Lane], time: Duration, server: Option<u32>) -> Sample {
    let running = Running::begin(server);
    let until = running.until(time);
    let rows = thread::scope(|scope| {
        let threads: Vec<_> = lanes
            .iter_mut()
            .map(|lane| scope.spawn(move || lane.write_until(until)))
            .collect();
        let rows = threads.into_iter().map(|thread| thread.join());
        rows.map(|rows| rows.expect("a writer that goes on")).sum()
    });
    running.end(rows)
}
