use std::sync::Arc;

use super::*;

fn kept_for(days: u32) -> StoreOptions {
    StoreOptions {
        retention_days: Some(days),
        ..StoreOptions::default()
    }
}

const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits AS i JOIN pg_class AS c \
     ON c.oid = i.inhrelid WHERE c.relname LIKE '%conversation_histories_2025_01_1_'";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn inserts_go_on_while_a_drop_waits_for_a_reader() {
    let database = Database::new().await;
    let store = Arc::new(store(&database.dsn(), &kept_for(3)));
    store.write(&[exchange("old", NOON)]).await.unwrap();
    let later = NOON + 10 * DAY;
    store.prepare(later).await.unwrap();
    let mut client = database.connect().await;
    let reading = client.transaction().await.unwrap();
    reading
        .batch_execute("SELECT * FROM conversation_histories")
        .await
        .unwrap();
    let dropping = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.maintain(later).await.unwrap();
            store.drop_partitions(NOON + DAY).await
        })
    };
    let mut written = 0;
    while !dropping.is_finished() {
        let at = later + written;
        store.write(&[exchange("new", at)]).await.unwrap();
        written += 1;
    }
    let error = dropping.await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("55P03"), "{error}");
    // A drop that waits takes at least eight turns, and lets others in between.
    assert!(written >= 8, "{written}");
    assert_eq!(database.number(PARTITIONS).await, 2);
    assert_eq!(count_of(&*store, "old").await, 2);
    reading.rollback().await.unwrap();
    store.maintain(later).await.unwrap();
    assert_eq!(database.number(PARTITIONS).await, 0);
    assert_eq!(count_of(&*store, "new").await, written * 2);
}

/// The writer remembers its conversations as stored, and they are not any more.
async fn assert_no_row_is_left_alone(options: StoreOptions) {
    let database = Database::new().await;
    let store = Arc::new(store(&database.dsn(), &options));
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..150 {
                let session = format!("s{}", number % 3);
                let batch = [
                    exchange("s", NOON + number),
                    exchange(&session, NOON + number),
                ];
                store.write(&batch).await.unwrap();
            }
        })
    };
    let other = super::store(&database.dsn(), &options);
    let mut dropped = 0;
    while !writer.is_finished() {
        let tables = other.drop_partitions(NOON + DAY).await.unwrap();
        dropped += tables.iter().map(|table| table.rows).sum::<i64>();
    }
    assert!(dropped > 0);
    writer.await.unwrap();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let alone = "SELECT count(*) FROM conversation_histories AS h LEFT JOIN conversations AS c \
         ON c.id = h.conversation_id WHERE c.id IS NULL";
    assert_eq!(database.number(alone).await, 0);
    let left = database
        .number("SELECT count(*) FROM conversation_histories")
        .await;
    assert!(left >= 2);
    let listed = store.conversations_of_user("", "alice", None, 0, 10).await;
    let counts = listed
        .unwrap()
        .data
        .into_iter()
        .map(|row| row.message_count);
    assert_eq!(counts.sum::<i64>(), left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_day_that_is_dropped_under_its_writer_is_made_again_with_its_conversations() {
    assert_no_row_is_left_alone(StoreOptions::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_are_deleted_under_their_writer_come_with_their_conversations_again() {
    assert_no_row_is_left_alone(StoreOptions {
        daily_partition: false,
        ..StoreOptions::default()
    })
    .await;
}

#[tokio::test]
async fn one_process_at_a_time_drops_days() {
    let database = Database::new().await;
    let store = store(&database.dsn(), &kept_for(1));
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let mut client = database.connect().await;
    let dropping = client.transaction().await.unwrap();
    dropping
        .batch_execute(
            "SELECT pg_advisory_xact_lock(731058904, current_schema()::regnamespace::oid::int)",
        )
        .await
        .unwrap();
    store.maintain(NOON + 9 * DAY).await.unwrap();
    assert_eq!(database.number(PARTITIONS).await, 2);
    dropping.rollback().await.unwrap();
    store.maintain(NOON + 9 * DAY).await.unwrap();
    assert_eq!(database.number(PARTITIONS).await, 0);
}

#[tokio::test]
async fn conversations_of_days_that_were_dropped_by_hand_go_too() {
    let database = Database::new().await;
    let store = store(&database.dsn(), &kept_for(1));
    let batch = [exchange("old", NOON), exchange("new", NOON + 9 * DAY)];
    store.write(&batch).await.unwrap();
    database
        .execute(
            "DROP TABLE conversation_histories_2025_01_15, \
             error_conversation_histories_2025_01_15",
        )
        .await;
    store.maintain(NOON + 9 * DAY).await.unwrap();
    let left = database.number("SELECT count(*) FROM conversations");
    assert_eq!(left.await, 1);
}
