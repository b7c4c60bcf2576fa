//! What is kept, and how long.

use std::sync::Arc;

use super::{
    Database,
    rows::*,
    truth::{Truth, talk},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{ExchangeRows, Store, StoreOptions},
};

fn keeping(daily_partition: bool, days: u32, usage_days: Option<u32>) -> StoreOptions {
    StoreOptions {
        daily_partition,
        retention_days: Some(days),
        usage_retention_days: usage_days,
        ..StoreOptions::default()
    }
}

pub(super) async fn so_many_days_are_kept_and_the_rest_goes<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_with(&keeping(daily, 3, None));
        let mut truth = Truth::new(talk(6, -9..1, 150));
        store.write(truth.rows()).await.unwrap();
        truth.assert(&store, "written").await;
        for day in 0..6 {
            let now = NOON + day * DAY;
            store.maintain(now).await.unwrap();
            truth.drop_before(Day::oldest_kept(now, 3));
            truth.assert(&store, &format!("on day {day}")).await;
            let rows = talk(100 + day as u64, day - 3..day + 1, 20);
            store.write(&rows).await.unwrap();
            truth.write(rows);
            truth
                .assert(&store, &format!("on day {day}, with more"))
                .await;
            let oldest = Day::oldest_kept(now, 3);
            for (table, column) in [("recording_days", "day"), ("conversations", "last_day")] {
                let older = format!("SELECT count(*) FROM {table} WHERE {column} < '{oldest}'");
                assert_eq!(database.number(&older).await, 0, "{table} on day {day}");
            }
        }
        let viewed = "SELECT count(*) FROM conversation_messages";
        let tables = store.partitions().await.unwrap();
        let messages = tables
            .iter()
            .filter(|table| table.table.starts_with(MESSAGES));
        let rows: i64 = messages.map(|table| table.rows).sum();
        assert_eq!(database.number(viewed).await, rows);
    }
}

pub(super) async fn without_retention_all_is_kept<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let truth = Truth::new(talk(7, -9..1, 40));
    store.write(truth.rows()).await.unwrap();
    store.reject(&truth.rows()[0], "refused").await.unwrap();
    store.maintain(NOON + 4000 * DAY).await.unwrap();
    truth.assert(&store, "years later").await;
    let rejects = "SELECT count(*) FROM recording_rejects";
    assert_eq!(database.number(rejects).await, 1);
}

pub(super) async fn usage_has_a_cutoff_of_its_own<D: Database>() {
    let database = D::open().await;
    let store = database.store_with(&keeping(true, 1, Some(3)));
    let batch: Vec<ExchangeRows> = (0..6).map(|day| exchange("s", NOON - day * DAY)).collect();
    store.write(&batch).await.unwrap();
    store.maintain(NOON + HOUR).await.unwrap();
    let days = "SELECT count(DISTINCT day) FROM usage_daily";
    assert_eq!(database.number(days).await, 3);
    let oldest = "SELECT count(*) FROM usage_daily WHERE day = '2025-01-12'";
    assert_eq!(database.number(oldest).await, 1);
    let stats = store
        .stats("", "alice", NOON - 9 * DAY, NOON)
        .await
        .unwrap();
    assert_eq!(stats.total_messages, 2 * 4);
    assert_eq!(count_of(&store, "s").await, 2 * 2);
}

pub(super) async fn rejects_and_response_ids_go_with_their_days<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_with(&keeping(daily, 2, None));
        store.prepare(NOON).await.unwrap();
        for days in 0..5 {
            let rows = exchange("s", NOON - days * DAY);
            store.reject(&rows, "refused").await.unwrap();
            database.add_response_id(NOON - days * DAY).await;
        }
        store.maintain(NOON).await.unwrap();
        for table in ["recording_rejects", "response_ids"] {
            let rows = format!("SELECT count(*) FROM {table}");
            assert_eq!(database.number(&rows).await, 3, "{table}");
        }
    }
}

/// More than goes in one transaction.
pub(super) async fn a_day_of_many_rows_leaves_a_single_table<D: Database>() {
    let database = D::open().await;
    let store = database.store_with(&keeping(false, 1, None));
    let mut truth = Truth::default();
    for number in 0..12 {
        let old = NOON - 5 * DAY + number * 1000;
        let batch: Vec<ExchangeRows> = (0..500)
            .map(|row| exchange(&format!("s{}", (number + row) % 700), old + row))
            .collect();
        store.write(&batch).await.unwrap();
        truth.write(batch);
    }
    let recent: Vec<ExchangeRows> = (0..50)
        .map(|row| exchange(&format!("s{row}"), NOON + row))
        .collect();
    store.write(&recent).await.unwrap();
    truth.write(recent);
    truth.drop_before(Day::from_unix_ms(NOON - DAY));
    store.maintain(NOON).await.unwrap();
    let rows = "SELECT count(*) FROM conversation_histories";
    assert_eq!(database.number(rows).await, 100);
    let conversations = "SELECT count(*) FROM conversations";
    assert_eq!(database.number(conversations).await, 50);
    truth.assert(&store, "of two").await;
}

pub(super) async fn several_processes_drop_while_others_write<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = Arc::new(database.store_with(&keeping(daily, 3, None)));
        let mut truth = Truth::new(talk(8, -40..1, 200));
        // Those that all talk in are kept, others go.
        truth.write(talk(9, -3..1, 200));
        let old = |day| exchange(&format!("old {day}"), NOON - day * DAY);
        truth.write((0..40).map(old).collect());
        store.write(truth.rows()).await.unwrap();
        let recent: Vec<Vec<ExchangeRows>> = (0..30).map(|seed| talk(seed, -3..1, 4)).collect();
        truth.write(recent.iter().flatten().cloned().collect());
        let writer = {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for batch in recent {
                    store.write(&batch).await.unwrap();
                }
            })
        };
        let others = [(); 2].map(|()| database.store_with(&keeping(daily, 3, None)));
        loop {
            let written = writer.is_finished();
            let (first, second) = tokio::join!(others[0].maintain(NOON), others[1].maintain(NOON));
            // One process at a time: what the other did not do, the next call does.
            first.unwrap();
            second.unwrap();
            if written {
                break;
            }
        }
        writer.await.unwrap();
        store.maintain(NOON).await.unwrap();
        truth.drop_before(Day::oldest_kept(NOON, 3));
        truth.assert(&*store, "in the end").await;
        for prefix in [MESSAGES, ERRORS] {
            let tables = store.existing_partition_tables(prefix).await.unwrap();
            assert_eq!(tables.len(), if daily { 7 } else { 1 });
        }
    }
}
