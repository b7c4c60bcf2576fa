use super::*;

const TABLES: &str = "SELECT count(*) FROM pg_class WHERE relkind = 'r' \
     AND relnamespace = current_schema()::regnamespace";

#[tokio::test]
async fn preparing_makes_today_and_three_days_and_nothing_the_second_time() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let before = database.number(TABLES).await;
    store.prepare(NOON).await.unwrap();
    database.store().prepare(NOON).await.unwrap();
    assert_eq!(database.number(TABLES).await, before);
    let partitions = store.partitions().await.unwrap();
    let days: Vec<_> = partitions[..4]
        .iter()
        .map(|partition| partition.day.clone())
        .collect();
    let expected = ["2025-01-15", "2025-01-16", "2025-01-17", "2025-01-18"];
    assert_eq!(days, expected.map(|day| Some(day.to_owned())));
    assert_eq!(partitions.len(), 8);
    assert!(partitions.iter().all(|partition| partition.bytes > Some(0)));
    assert_eq!(
        store.conversation_history_table_name(NOON).await.unwrap(),
        "conversation_histories_2025_01_15"
    );
    let secret = "SELECT octet_length(value) FROM recording_meta WHERE key = 'secret'";
    assert_eq!(database.number(secret).await, 32);
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(store.partitions().await.unwrap()[0].rows, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_processes_may_start_at_once() {
    for _ in 0..3 {
        let database = Database::new().await;
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let store = database.store();
                tokio::spawn(async move { store.prepare(NOON).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let versions = database.number("SELECT count(*) FROM __diesel_schema_migrations");
        assert_eq!(versions.await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_processes_make_the_same_day_at_once() {
    let database = Database::new().await;
    let stores: Vec<_> = (0..4)
        .map(|_| std::sync::Arc::new(database.store()))
        .collect();
    stores[0].prepare(NOON).await.unwrap();
    for day in 10..60 {
        let tasks: Vec<_> = stores
            .iter()
            .enumerate()
            .map(|(number, store)| {
                let store = std::sync::Arc::clone(store);
                let rows = exchange(&format!("s{number}"), NOON + day * DAY);
                tokio::spawn(async move { store.write(&[rows]).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
    let rows = database.number("SELECT count(*) FROM conversation_histories");
    assert_eq!(rows.await, 50 * 4 * 2);
}

#[tokio::test]
async fn a_day_is_made_while_a_transaction_holds_the_table() {
    let database = Database::new().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let mut client = database.connect().await;
    let held = client.transaction().await.unwrap();
    held.batch_execute("DELETE FROM conversation_histories")
        .await
        .unwrap();
    store
        .write(&[exchange("t", NOON + 30 * DAY)])
        .await
        .unwrap();
    held.rollback().await.unwrap();
    assert_eq!(count_of(&store, "t").await, 2);
}

#[tokio::test]
async fn the_database_keeps_the_mode_it_was_begun_in() {
    let daily = Database::new().await;
    daily.store().prepare(NOON).await.unwrap();
    let store = daily.single_table_store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let rows = daily.number("SELECT count(*) FROM conversation_histories_2025_01_15");
    assert_eq!(rows.await, 2);

    let single = Database::new().await;
    single.single_table_store().prepare(NOON).await.unwrap();
    let store = single.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    store.maintain(NOON).await.unwrap();
    assert_eq!(
        store.conversation_history_table_name(NOON).await.unwrap(),
        "conversation_histories"
    );
    let partitions = store.partitions().await.unwrap();
    assert_eq!(partitions.len(), 2);
    assert_eq!(
        (partitions[0].day.as_deref(), partitions[0].rows),
        (None, 2)
    );
    let viewed = single.number(
        "SELECT count(*) FROM conversation_messages WHERE session_id = 's' \
         AND \"timestamp\" = '2025-01-15T12:00:00Z'",
    );
    assert_eq!(viewed.await, 2);
}

#[tokio::test]
async fn a_new_day_follows_a_later_migration() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    database
        .execute("ALTER TABLE conversation_histories ADD COLUMN later TEXT")
        .await;
    store.write(&[exchange("s", NOON + 9 * DAY)]).await.unwrap();
    let columns = "SELECT count(*) FROM pg_attribute WHERE attnum > 0 \
         AND attrelid = 'conversation_histories_2025_01_24'::regclass";
    assert_eq!(database.number(columns).await, 39);
    let indexes = "SELECT count(*) FROM pg_index AS i JOIN pg_inherits AS h \
         ON h.inhrelid = i.indexrelid \
         WHERE i.indrelid = 'conversation_histories_2025_01_24'::regclass";
    assert_eq!(database.number(indexes).await, 3);
}

#[tokio::test]
async fn the_migration_can_be_taken_back() {
    let database = Database::new().await;
    database.store().prepare(NOON).await.unwrap();
    let down =
        include_str!("../../../../migrations/postgres/2026-11-21-000000_conversations/down.sql");
    database.execute(down).await;
    assert_eq!(database.number(TABLES).await, 1);
}

#[tokio::test]
async fn a_database_that_was_emptied_is_begun_again() {
    let database = Database::new().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    database
        .execute(
            "DROP VIEW conversation_messages; DROP TABLE conversations, conversation_histories, \
             error_conversation_histories, usage_daily, recording_days, response_ids, \
             recording_rejects, recording_erasures, recording_meta, __diesel_schema_migrations",
        )
        .await;
    let error = store.write(&[exchange("s", NOON)]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
}
