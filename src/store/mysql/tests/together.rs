//! Several processes on one database, each with a store of its own.

use std::sync::Arc;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_write_one_database_at_once() {
    let file = Place::new().await;
    let mut writers = Vec::new();
    for process in 0..2 {
        let store = Arc::new(file.store());
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
    assert_eq!(
        file.number("SELECT count(*) FROM conversation_histories")
            .await,
        400
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_that_send_the_same_rows_meet_without_a_deadlock() {
    let place = Place::new().await;
    let batches: Arc<Vec<Vec<ExchangeRows>>> = Arc::new(
        (0..20)
            .map(|batch| {
                let at = NOON + 12 * HOUR - 100 + batch * 10;
                (0..60)
                    .map(|number| exchange(&format!("s{}", number % 17), at + number % 13))
                    .collect()
            })
            .collect(),
    );
    let mut writers = Vec::new();
    for turn in 0..4 {
        let store = place.store();
        let batches = Arc::clone(&batches);
        writers.push(tokio::spawn(async move {
            for number in 0..batches.len() {
                let mut batch = batches[(number + turn / 2) % batches.len()].clone();
                if turn % 2 == 1 {
                    batch.reverse();
                }
                store.write(&batch).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = "SELECT count(*) FROM conversation_histories";
    assert_eq!(place.number(rows).await, 20 * 60 * 2);
    assert_eq!(place.number("SELECT count(*) FROM conversations").await, 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_stores_make_the_same_day_at_once() {
    let place = Place::new().await;
    let stores: Vec<_> = (0..4).map(|_| Arc::new(place.store())).collect();
    for round in 0..20 {
        let writers: Vec<_> = stores
            .iter()
            .map(|store| {
                let store = Arc::clone(store);
                let rows = exchange("s", NOON + round * DAY);
                tokio::spawn(async move { store.write(&[rows]).await })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
    }
    assert_eq!(count_of(&stores[0], "s").await, 20 * 4 * 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn closing_while_late_rows_come_loses_none() {
    let place = Place::new().await;
    let store = Arc::new(place.store());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let writer = Arc::new(place.store());
    let late = tokio::spawn(async move {
        for number in 1..60 {
            let name = if number % 2 == 0 { "s" } else { "t" };
            writer
                .write(&[exchange(name, NOON + number)])
                .await
                .unwrap();
        }
    });
    while !late.is_finished() {
        store.maintain(NOON + DAY).await.unwrap();
    }
    late.await.unwrap();
    store.maintain(NOON + DAY).await.unwrap();
    assert_eq!(
        place
            .number("SELECT sum(dirty) FROM recording_days WHERE day = '2025-01-15'")
            .await,
        0
    );
    assert_eq!(
        place
            .number("SELECT sum(message_count) FROM conversations")
            .await,
        120
    );
    assert_eq!(
        place.number("SELECT sum(messages) FROM usage_daily").await,
        120
    );
    assert_eq!(
        count_of(&store, "s").await + count_of(&store, "t").await,
        120
    );
}
