use super::*;

async fn closing_counts(database: &Database, store: PostgresStore) {
    let mut tool = exchange("s", NOON);
    tool.messages[0].role = Role::Tool;
    tool.messages[1].usage.prompt_tokens = Some(i64::MAX);
    tool.messages[1].usage.total_tokens = Some(7);
    let mut twin = exchange("t", NOON);
    twin.messages[1].usage.prompt_tokens = Some(i64::MAX);
    let batch = [
        exchange("s", NOON - DAY),
        tool,
        twin,
        failed("s", NOON),
        exchange("s", NOON + DAY),
    ];
    store.write(&batch).await.unwrap();
    let usage = "SELECT sum(messages) * 1000 + sum(exchanges) * 100 + sum(errors) * 10 \
         + sum(total_tokens) FROM usage_daily";
    let counted = "SELECT sum(message_count) FROM conversations";
    let dirty = "SELECT count(*) FROM recording_days WHERE closed_at IS NOT NULL AND dirty <> 0";
    for _ in 0..2 {
        store.maintain(NOON + DAY).await.unwrap();
        assert_eq!(database.number(usage).await, 5 * 1000 + 3 * 100 + 10 + 7);
        assert_eq!(
            database
                .number("SELECT max(prompt_tokens) FROM usage_daily")
                .await,
            i64::MAX
        );
        assert_eq!(database.number(counted).await, 5);
        assert_eq!(count_of(&store, "s").await, 5);
        assert_eq!(count_of(&store, "t").await, 2);
    }
    assert_eq!(database.number(dirty).await, 0);

    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    assert_eq!(database.number(dirty).await, 1);
    assert_eq!(count_of(&store, "s").await, 7);
    store.maintain(NOON + DAY).await.unwrap();
    assert_eq!(database.number(dirty).await, 0);
    assert_eq!(count_of(&store, "s").await, 7);

    store.maintain(NOON + 2 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 7);
    assert_eq!(database.number(counted).await, 9);
    let messages = database.number("SELECT sum(messages) FROM usage_daily");
    assert_eq!(messages.await, 9);
}

#[tokio::test]
async fn closing_is_idempotent_and_a_late_row_is_counted_by_the_next() {
    let database = Database::new().await;
    closing_counts(&database, database.store()).await;
}

#[tokio::test]
async fn closing_a_single_table_counts_the_same() {
    let database = Database::new().await;
    closing_counts(&database, database.single_table_store()).await;
}

#[tokio::test]
async fn a_call_closes_a_week_at_most_and_the_next_goes_on() {
    let database = Database::new().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..10).map(|day| exchange("s", NOON + day * DAY)).collect();
    store.write(&batch).await.unwrap();
    let closed = "SELECT count(closed_at) FROM recording_days";
    for expected in [7, 10] {
        store.maintain(NOON + 10 * DAY).await.unwrap();
        assert_eq!(database.number(closed).await, expected);
        assert_eq!(count_of(&store, "s").await, 20);
    }
}

#[tokio::test]
async fn a_dropped_day_stops_neither_closing_nor_reading() {
    let database = Database::new().await;
    let store = database.store();
    let batch = [exchange("s", NOON), exchange("s", NOON + DAY)];
    store.write(&batch).await.unwrap();
    database
        .execute("DROP TABLE conversation_histories_2025_01_16")
        .await;
    let page = store
        .messages(batch[0].conversation.id, None, 10)
        .await
        .unwrap();
    assert_eq!(page.data.len(), 2);
    let conversations = store
        .conversations_of_user("", "alice", None, 0, 10)
        .await
        .unwrap();
    assert_eq!(conversations.data[0].updated_at, NOON);
    store.maintain(NOON + 3 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
}

/// Rows that come while a day is being counted are in no count yet, and the day knows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_come_while_a_day_is_closed_are_counted_in_the_end() {
    let database = Database::new().await;
    let store = std::sync::Arc::new(database.store());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let late = std::sync::Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for number in 1..100 {
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
    let rows = database
        .number("SELECT count(*) FROM conversation_histories")
        .await;
    assert_eq!(rows, 2 + 99 * 4);
    for sql in [
        "SELECT sum(message_count) FROM conversations",
        "SELECT sum(messages) FROM usage_daily",
    ] {
        assert_eq!(database.number(sql).await, rows, "{sql}");
    }
}
