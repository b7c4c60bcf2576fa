//! From tables of days to single tables and back.

use std::sync::Arc;

use super::{
    Database,
    rows::*,
    truth::{Truth, talk},
};
use crate::{
    partition::Day,
    store::{ExchangeRows, Store, StoreOptions},
};

/// What is derived from rows, and how far.
const DERIVED: [&str; 5] = [
    "SELECT count(closed_at) FROM recording_days",
    "SELECT count(*) FROM recording_days WHERE closed_at IS NOT NULL AND dirty <> 0",
    "SELECT sum(message_count) FROM conversations",
    "SELECT sum(messages) FROM usage_daily",
    "SELECT count(*) FROM usage_daily",
];

async fn derived<D: Database>(database: &D) -> Vec<i64> {
    let mut numbers = Vec::new();
    for sql in DERIVED {
        numbers.push(database.number(sql).await);
    }
    numbers
}

/// Closed, dirty and open days.
async fn some_days(store: &impl Store) -> Truth {
    let mut truth = Truth::new(talk(9, -5..2, 120));
    store.write(truth.rows()).await.unwrap();
    store.maintain(NOON + HOUR).await.unwrap();
    let late = talk(10, -3..-2, 10);
    store.write(&late).await.unwrap();
    truth.write(late);
    truth
}

pub(super) async fn every_row_is_found_in_both_modes<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        // Both have looked at the mode before it changes.
        let other = database.store();
        let mut truth = some_days(&store).await;
        truth.assert(&other, "before").await;
        let before = derived(&database).await;
        for (round, daily) in [!daily, daily, !daily].into_iter().enumerate() {
            store.set_daily_partition(daily).await.unwrap();
            assert_eq!(derived(&database).await, before);
            truth.assert(&other, &format!("round {round}")).await;
            truth.assert(&store, &format!("round {round}")).await;
            let table = other.conversation_history_table_name(NOON).await.unwrap();
            let expected = if daily {
                "conversation_histories_2025_01_15"
            } else {
                "conversation_histories"
            };
            assert_eq!(table, expected);
            let rows: usize = truth.rows().iter().map(|rows| rows.messages.len()).sum();
            for view in ["conversation_histories", "conversation_messages"] {
                let viewed = format!("SELECT count(*) FROM {view}");
                assert_eq!(database.number(&viewed).await, rows as i64, "{view}");
            }
            let stored = format!("SELECT count(*) FROM {expected}");
            assert!(database.number(&stored).await > 0);
        }
        // The rows of the days to come, of closed days, and of none that there is yet.
        for (seed, store) in [(20, &other), (21, &store)] {
            let more = talk(seed, -8..6, 40);
            store.write(&more).await.unwrap();
            truth.write(more);
            truth.assert(&other, "written since").await;
        }
        store.maintain(NOON + 8 * DAY).await.unwrap();
        other.maintain(NOON + 8 * DAY).await.unwrap();
        truth.assert(&store, "closed").await;
    }
}

pub(super) async fn setting_the_mode_that_is_changes_nothing<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let truth = some_days(&store).await;
        let schema = database.number(D::SCHEMA).await;
        store.set_daily_partition(daily).await.unwrap();
        assert_eq!(database.number(D::SCHEMA).await, schema);
        truth.assert(&store, "as before").await;
    }
}

pub(super) async fn a_new_database_may_change_its_mode<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        store.set_daily_partition(!daily).await.unwrap();
        // A process that was told otherwise follows.
        let other = database.store_in(daily);
        let truth = some_days(&other).await;
        truth.assert(&store, "written by the other").await;
        let tables = store.partitions().await.unwrap();
        assert_eq!(tables.len() > 2, !daily);
    }
}

pub(super) async fn the_same_schema_comes_back<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let table = "conversation_histories_2025_01_15";
    let [columns, indexes] = D::columns_and_indexes(table);
    let before = [
        database.number(&columns).await,
        database.number(&indexes).await,
    ];
    store.set_daily_partition(false).await.unwrap();
    let single = store.partitions().await.unwrap();
    assert_eq!(single.len(), 2);
    store.set_daily_partition(true).await.unwrap();
    let after = [
        database.number(&columns).await,
        database.number(&indexes).await,
    ];
    assert_eq!(after, before);
}

/// Rows of dropped days do not come back, nor do days that are kept go.
pub(super) async fn retention_goes_on_in_the_other_mode<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_with(&StoreOptions {
            daily_partition: daily,
            retention_days: Some(3),
            ..StoreOptions::default()
        });
        let mut truth = some_days(&store).await;
        for day in 0..3 {
            truth.drop_before(Day::oldest_kept(NOON + day * DAY, 3));
            store.maintain(NOON + day * DAY).await.unwrap();
            truth.assert(&store, "dropped").await;
            store.set_daily_partition(day % 2 == 1).await.unwrap();
            truth.assert(&store, "moved").await;
        }
    }
}

pub(super) async fn writers_follow_without_a_row_lost_or_twice<D: Database>() {
    let database = D::open().await;
    database.store().prepare(NOON).await.unwrap();
    let batches = |seed: u64| (0..25).map(move |number| talk(seed + number, -2..3, 4));
    let truth = Truth::new(batches(1000).chain(batches(2000)).flatten().collect());
    let mut rest = truth.rows().iter().cloned();
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::new(database.store());
            let batches: Vec<Vec<ExchangeRows>> =
                (0..25).map(|_| rest.by_ref().take(4).collect()).collect();
            tokio::spawn(async move {
                for batch in batches {
                    while let Err(error) = store.write(&batch).await {
                        assert!(error.is_transient(), "{error}");
                    }
                    let id = batch[0].conversation.id;
                    while let Err(error) = store.messages(id, None, 5).await {
                        assert!(error.is_transient(), "{error}");
                    }
                }
            })
        })
        .collect();
    let store = database.store();
    let mut daily = true;
    while !writers.iter().all(|writer| writer.is_finished()) {
        daily = !daily;
        store.set_daily_partition(daily).await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    truth.assert(&store, "in the end").await;
    store.maintain(NOON + 9 * DAY).await.unwrap();
    truth.assert(&store, "closed").await;
}
