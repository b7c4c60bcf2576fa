//! The arms on one database: the limit, the store, the whole pipeline.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Runtime;
use tower_recording::{
    Recorder, RecordingLayer,
    store::{ExchangeRows, Partition, UnixMillis},
};

use crate::{
    backend::Database,
    clock::{Clock, DAY_MS, unix_millis},
    lanes::{self, Lane, Target},
    limit::Limit,
    rows::Batches,
    samples::{Running, Sample},
    talk::{Gateway, Talk},
};

/// Rows a batch, as the recorder has them: two an exchange.
pub const BATCH_EXCHANGES: usize = 250;
const WARM_UP: Duration = Duration::from_secs(1);
const COUNTED_BATCHES: u32 = 20;
const SHUTDOWN: Duration = Duration::from_secs(30);

/// What is written again and again.
pub struct Stock {
    pub talk: Talk,
    pub rows: Vec<ExchangeRows>,
}

/// The samples of each arm, round by round.
#[derive(Default)]
pub struct Samples {
    pub limit: Vec<Sample>,
    pub store: Vec<Sample>,
    pub pipeline: Vec<Sample>,
}

/// All arms, ready to run on one database.
pub struct Race<'a> {
    database: &'a Database,
    runtime: &'a Runtime,
    limit: Vec<Lane>,
    store: Vec<Lane>,
    gateway: Gateway,
    recorder: Recorder,
    server: Option<u32>,
    rows: u64,
}

impl<'a> Race<'a> {
    /// Prepares the database for so many writers.
    pub fn new(
        database: &'a Database,
        runtime: &'a Runtime,
        stock: &Stock,
        writers: usize,
    ) -> Self {
        let layer = RecordingLayer::builder(database.dsn())
            .writer_threads(writers)
            .build()
            .expect("a layer");
        let recorder = layer.recorder();
        let store = recorder.store();
        let now = unix_millis();
        let table = runtime.block_on(async {
            store.prepare(now).await.expect("an empty database");
            store.conversation_history_table_name(now).await
        });
        let table = table.expect("a mode");
        let batches = || Batches::new(&stock.rows, BATCH_EXCHANGES, Clock::today());
        let limit = || {
            Lane::new(batches(), async || {
                Target::Limit(Limit::new(database, &table).await)
            })
        };
        let stored = || Lane::new(batches(), async || Target::Store(Arc::clone(store)));
        Self {
            database,
            runtime,
            limit: (0..writers).map(|_| limit()).collect(),
            store: (0..writers).map(|_| stored()).collect(),
            gateway: Gateway::new(&layer, &stock.talk),
            recorder,
            server: runtime.block_on(database.server()),
            rows: 0,
        }
    }

    /// Lets the arms run in turn, so many rounds of this time each, after one that warms up.
    pub fn run(&mut self, rounds: u32, time: Duration) -> Samples {
        let mut samples = Samples::default();
        for round in 0..=rounds {
            let time = if round == 0 { time.min(WARM_UP) } else { time };
            let limit = lanes::run(&mut self.limit, time, self.server);
            let store = lanes::run(&mut self.store, time, self.server);
            let pipeline = self.pipeline(time);
            self.rows += limit.rows + store.rows + pipeline.rows;
            if round > 0 {
                samples.limit.push(limit);
                samples.store.push(store);
                samples.pipeline.push(pipeline);
            }
        }
        samples
    }

    fn pipeline(&mut self, time: Duration) -> Sample {
        let before = self.recorder.metrics().rows;
        let running = Running::begin(self.server);
        let until = running.until(time);
        self.runtime.block_on(self.gateway.serve(until));
        running.end(self.recorder.metrics().rows - before)
    }

    /// Fills days before today with one exchange each.
    pub fn begin_days(&mut self, stock: &Stock, days: u32) {
        let today = unix_millis();
        for day in (1..=days).rev() {
            let at = today - UnixMillis::from(day) * DAY_MS;
            let mut batch = Batches::new(&stock.rows, 1, Clock::From(at));
            let batch = batch.next();
            let written = self.runtime.block_on(self.recorder.store().write(batch));
            written.expect("a store that answers");
            self.rows += batch[0].messages.len() as u64;
        }
    }

    /// Statements that the store needs for a batch.
    pub fn statements_a_batch(&mut self) -> Option<f64> {
        let statements = || self.runtime.block_on(self.database.statements());
        let before = statements()?;
        let asking = statements()? - before;
        for _ in 0..COUNTED_BATCHES {
            self.rows += self.store[0].write();
        }
        let counted = statements()? - before - 2 * asking;
        Some(counted as f64 / f64::from(COUNTED_BATCHES))
    }

    /// Sees that each row stands there once, and says how many bytes one takes with its indexes.
    pub fn finish(self) -> Option<f64> {
        let recorder = &self.recorder;
        let tables = self.runtime.block_on(async {
            recorder.shutdown(SHUTDOWN).await;
            recorder.store().partitions().await
        });
        let tables = tables.expect("a store that answers");
        let messages = |table: &&Partition| table.table.starts_with("conversation_histories");
        let tables: Vec<_> = tables.iter().filter(messages).collect();
        let rows: i64 = tables.iter().map(|table| table.rows).sum();
        assert_eq!(
            rows as u64, self.rows,
            "rows that stand there, and that were written"
        );
        let bytes: Option<i64> = tables.iter().map(|table| table.bytes).sum();
        bytes.map(|bytes| bytes as f64 / rows as f64)
    }
}
