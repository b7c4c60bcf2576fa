use std::sync::Arc;

use diesel_async::SimpleAsyncConnection;
use tokio::sync::oneshot;

use super::*;
use crate::store::{Place, mysql::connection::Work};

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_wait_for_the_writer() {
    let database = Database::new().await;
    let store = Arc::new(database.store());
    let rows = exchange("s", NOON);
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    let (begin, begun) = oneshot::channel::<()>();
    let (release, released) = oneshot::channel::<()>();
    let writer = Arc::clone(&store);
    let held = tokio::spawn(async move {
        writer
            .change(move |session| {
                Box::pin(async move {
                    let connection = &mut session.connection;
                    let hold = "START TRANSACTION; UPDATE conversations SET title = 'held'; \
                         DELETE FROM conversation_histories_2025_01_15; \
                         UPDATE recording_days SET dirty = 1";
                    connection.batch_execute(hold).await?;
                    let _ = begin.send(());
                    let _ = released.await;
                    connection.batch_execute("ROLLBACK").await?;
                    Ok(())
                })
            })
            .await
    });
    begun.await.unwrap();
    let reads = (0..12).map(|_| store.messages(rows.conversation.id, None, 5));
    for page in futures_util::future::join_all(reads).await {
        assert_eq!(page.unwrap().data.len(), 2);
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_call_works() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let panicked = store
        .change(|_| -> Work<'_, ()> { panic!("in the store") })
        .await;
    assert!(!panicked.unwrap_err().is_transient());
    let panicked = store
        .read(|_, _| -> Work<'_, ()> { panic!("in the store") })
        .await;
    assert!(!panicked.unwrap_err().is_transient());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
}

#[tokio::test]
async fn what_an_older_version_closed_is_listed_by_its_rows() {
    let database = Database::new().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..60)
        .map(|number| exchange(&format!("s{number}"), NOON - number % 7 * DAY + number))
        .collect();
    store.write(&batch).await.unwrap();
    for _ in 0..2 {
        store.maintain(NOON + 2 * DAY).await.unwrap();
    }
    let all = store.conversations_of_user("", "alice", None, 0, 100);
    let all = all.await.unwrap().data;
    assert_eq!(all.len(), 60);
    let known = "SELECT count(*) FROM conversations WHERE newest_at IS NOT NULL";
    assert_eq!(database.number(known).await, 60);
    let older = "UPDATE conversations SET newest_at = CASE RIGHT(session_id, 1) WHEN '5' \
         THEN newest_at - INTERVAL 2 DAY END \
         WHERE last_day = '2025-01-13' OR RIGHT(session_id, 1) IN ('1', '4', '5')";
    database.execute(older).await;
    for limit in [1, 4, 9, 60] {
        for (index, row) in all.iter().enumerate() {
            let end = (index + 1 + limit).min(60);
            let place = Some(Place::of(row));
            let page = store.conversations_of_user("", "alice", place, 0, limit);
            assert_eq!(
                page.await.unwrap().data,
                all[index + 1..end],
                "{index} {limit}"
            );
            let page = store.conversations_of_user("", "alice", None, index + 1, limit);
            assert_eq!(
                page.await.unwrap().data,
                all[index + 1..end],
                "{index} {limit}"
            );
        }
    }
}

#[tokio::test]
async fn a_day_that_somebody_dropped_takes_no_other_from_a_page() {
    let database = Database::new().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..5).map(|day| exchange("s", NOON - day * DAY)).collect();
    store.write(&batch).await.unwrap();
    for (table, left) in [
        ("conversation_histories_2025_01_13", 8),
        ("conversation_histories_2025_01_15", 6),
        ("conversation_histories_2025_01_11", 4),
    ] {
        database.execute(&format!("DROP TABLE {table}")).await;
        let page = store.messages(batch[0].conversation.id, None, 9).await;
        let page = page.unwrap();
        assert_eq!((page.data.len(), page.has_more), (left, false), "{table}");
        let days = page
            .data
            .chunk_by(|a, b| a.exchange.created_at == b.exchange.created_at);
        assert!(days.into_iter().all(|day| day.len() == 2), "{table}");
    }
}
