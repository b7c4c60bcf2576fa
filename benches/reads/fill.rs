//! A database with a past: made by the store, and its messages loaded past it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tower_recording::{Recorder, RecordingLayer, store::Store};

use crate::{
    backend::Database,
    clock::unix_millis,
    limit::Limit,
    past::{Past, Said},
};

const HOUR_MS: i64 = 3_600_000;
const CONVERSATIONS_A_BATCH: usize = 500;
const SHUTDOWN: Duration = Duration::from_secs(30);

/// A database and our store over it.
pub struct Filled<'a> {
    pub database: &'a Database,
    pub store: Arc<dyn Store>,
    recorder: Recorder,
}

impl<'a> Filled<'a> {
    /// Fills it, a table a day or one for all.
    pub fn new(database: &'a Database, runtime: &Runtime, past: &Past, daily: bool) -> Self {
        let began = Instant::now();
        let layer = RecordingLayer::builder(database.dsn()).daily_partition(daily);
        let recorder = layer.build().expect("a layer").recorder();
        let store = Arc::clone(recorder.store());
        runtime.block_on(async {
            store.prepare(unix_millis()).await.expect("a database");
            for batch in past.conversations().chunks(CONVERSATIONS_A_BATCH) {
                store.write(batch).await.expect("a database");
            }
        });
        let mut said = Said::new();
        for day in 0..past.days {
            let start = past.start_of(day);
            let table = runtime.block_on(async {
                let made = store.create_table_if_not_exists(start).await;
                made.expect("a table");
                store.conversation_history_table_name(start).await
            });
            let table = table.expect("a mode");
            let mut limit = runtime.block_on(Limit::new(database, &table));
            past.messages(day, &mut said, |batch| runtime.block_on(limit.write(batch)));
        }
        let loaded = began.elapsed();
        runtime.block_on(async {
            close_all(database, &*store).await;
            database.settle().await;
        });
        println!(
            "  {}: filled in {:.0} s, days closed in {:.0} s",
            if daily { "a table a day" } else { "one table" },
            loaded.as_secs_f64(),
            (began.elapsed() - loaded).as_secs_f64()
        );
        Self {
            database,
            store,
            recorder,
        }
    }

    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub fn shut_down(self, runtime: &Runtime) {
        runtime.block_on(self.recorder.shutdown(SHUTDOWN));
    }
}

/// As the recorder does each hour, some days at a time.
async fn close_all(database: &Database, store: &dyn Store) {
    let now = unix_millis();
    let closable = OffsetDateTime::from_unix_timestamp((now - HOUR_MS) / 1000);
    let closable = closable.expect("a time").date();
    let open = format!(
        "SELECT count(*) FROM recording_days \
         WHERE (closed_at IS NULL OR dirty <> 0) AND day < '{closable}'"
    );
    // What was loaded past the store may have been loaded into a day that was closed already.
    let loaded = "UPDATE recording_days SET dirty = 1 WHERE closed_at IS NOT NULL";
    database.execute(loaded).await;
    let mut left = i64::MAX;
    while left > 0 {
        store.maintain(now).await.expect("a database");
        let before = left;
        left = database.number(&open).await;
        assert!(left < before, "{left} days stay open");
    }
}
