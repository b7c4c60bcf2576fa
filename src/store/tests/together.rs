//! Several processes on one database, each with a store of its own.

use std::sync::Arc;

use super::{Database, rows::*};
use crate::store::{ExchangeRows, Store};

pub(super) async fn two_stores_write_one_database_at_once<D: Database>() {
    let database = D::open().await;
    let mut writers = Vec::new();
    for process in 0..2 {
        let store = Arc::new(database.store());
        for task in 0..2 {
            let store = Arc::clone(&store);
            writers.push(tokio::spawn(async move {
                for number in 0..50 {
                    let session = format!("s{process}{task}{}", number % 5);
                    let rows = exchange(&session, NOON + number);
                    store.write(std::slice::from_ref(&rows)).await.unwrap();
                    store.messages(rows.conversation.id, None, 5).await.unwrap();
                }
            }));
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = "SELECT count(*) FROM conversation_histories";
    assert_eq!(database.number(rows).await, 400);
}

/// All write the same conversations and days, in orders of their own, and half of the rows are the same.
pub(super) async fn stores_that_send_the_same_rows_meet_without_a_deadlock<D: Database>() {
    let database = D::open().await;
    let batches: Vec<Vec<ExchangeRows>> = (0..20)
        .map(|batch| {
            let session = |number: i64| format!("s{}", (number * 7 + batch) % 40);
            let at = |number: i64| NOON + (batch * 100 + number) % 3 * DAY + batch * 100 + number;
            (0..60)
                .map(|number| exchange(&session(number), at(number)))
                .collect()
        })
        .collect();
    let batches = Arc::new(batches);
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, batches) = (database.store(), Arc::clone(&batches));
            tokio::spawn(async move {
                for number in 0..20 {
                    let mut batch = batches[(number + writer * 3) % 20].clone();
                    if writer % 2 == 1 {
                        batch.reverse();
                    }
                    store.write(&batch).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = "SELECT count(*) FROM conversation_histories";
    assert_eq!(database.number(rows).await, 20 * 60 * 2);
    let conversations = "SELECT count(*) FROM conversations";
    assert_eq!(database.number(conversations).await, 40);
}

/// Rows that come while a day is being counted are in no count yet, and the day knows it.
pub(super) async fn closing_while_late_rows_come_loses_none<D: Database>() {
    let database = D::open().await;
    let store = Arc::new(database.store());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let late = database.store();
    let writer = tokio::spawn(async move {
        for number in 1..60 {
            let session = format!("s{}", number % 3);
            let batch = [
                exchange("s", NOON + number),
                exchange(&session, NOON + number),
            ];
            late.write(&batch).await.unwrap();
        }
    });
    let other = database.store();
    while !writer.is_finished() {
        let (first, second) = tokio::join!(
            store.maintain(NOON + 2 * DAY),
            other.maintain(NOON + 2 * DAY)
        );
        first.unwrap();
        second.unwrap();
    }
    writer.await.unwrap();
    store.maintain(NOON + 2 * DAY).await.unwrap();
    let dirty = "SELECT count(*) FROM recording_days WHERE day = '2025-01-15' AND dirty <> 0";
    assert_eq!(database.number(dirty).await, 0);
    let rows = "SELECT count(*) FROM conversation_histories";
    assert_eq!(database.number(rows).await, 2 + 59 * 4);
    for sql in [
        "SELECT sum(message_count) FROM conversations",
        "SELECT sum(messages) FROM usage_daily",
    ] {
        assert_eq!(database.number(sql).await, 2 + 59 * 4, "{sql}");
    }
}
