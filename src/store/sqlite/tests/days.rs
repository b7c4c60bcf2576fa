use super::*;

const VIEWED: &str = "SELECT count(*) FROM conversation_messages WHERE session_id = 's' \
     AND timestamp LIKE '2025-01-%T12:00:00.000Z'";

#[tokio::test]
async fn preparing_makes_today_and_three_days_and_nothing_the_second_time() {
    let file = File::new();
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    let schema = "SELECT count(*) FROM sqlite_master";
    let version = "SELECT schema_version FROM pragma_schema_version";
    let before = (file.number(schema), file.number(version));
    store.prepare(NOON).await.unwrap();
    file.store().prepare(NOON).await.unwrap();
    assert_eq!((file.number(schema), file.number(version)), before);
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
    assert_eq!(
        file.number("SELECT length(value) FROM recording_meta WHERE key = 'secret'"),
        32
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_processes_may_start_at_once() {
    for _ in 0..5 {
        let file = File::new();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let store = file.store();
                tokio::spawn(async move { store.prepare(NOON).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(file.number("SELECT count(*) FROM recording_days"), 4);
    }
}

#[tokio::test]
async fn the_database_keeps_the_mode_it_was_begun_in() {
    let daily = File::new();
    daily.store().prepare(NOON).await.unwrap();
    let store = daily.single_table_store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(
        daily.number("SELECT count(*) FROM conversation_histories_2025_01_15"),
        2
    );

    let single = File::new();
    single.single_table_store().prepare(NOON).await.unwrap();
    let store = single.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    store.maintain(NOON).await.unwrap();
    assert_eq!(
        store.conversation_history_table_name(NOON).await.unwrap(),
        "conversation_histories"
    );
    assert_eq!(
        single.number("SELECT count(*) FROM sqlite_master WHERE name LIKE '%_2025_%'"),
        0
    );
    assert_eq!(single.number(VIEWED), 2);
}

#[tokio::test]
async fn views_follow_the_days() {
    let file = File::new();
    let store = file.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(file.number(VIEWED), 2);
    store.write(&[exchange("s", NOON + 5 * DAY)]).await.unwrap();
    assert_eq!(file.number(VIEWED), 4);
    store.write(&[failed("s", NOON + 6 * DAY)]).await.unwrap();
    assert_eq!(
        file.number("SELECT count(*) FROM error_conversation_histories"),
        1
    );
}

#[tokio::test]
async fn views_stay_within_what_sqlite_unions() {
    let file = File::new();
    let store = file.store();
    let batch: Vec<ExchangeRows> = (0..520)
        .map(|day| exchange("s", NOON + day * DAY))
        .collect();
    store.write(&batch[1..510]).await.unwrap();
    store.write(&batch[510..]).await.unwrap();
    assert_eq!(
        file.number("SELECT count(*) FROM conversation_histories"),
        800
    );
    assert_eq!(count_of(&store, "s").await, 519 * 2);
}

async fn closing_counts(store: SqliteStore, file: &File) {
    let mut tool = exchange("s", NOON);
    tool.messages[0].role = Role::Tool;
    tool.messages[1].usage.prompt_tokens = Some(i64::MAX);
    tool.messages[1].usage.total_tokens = Some(7);
    let batch = [
        exchange("s", NOON - DAY),
        tool,
        exchange("t", NOON),
        failed("s", NOON),
        exchange("s", NOON + DAY),
    ];
    store.write(&batch).await.unwrap();
    let usage = "SELECT sum(messages) * 1000 + sum(exchanges) * 100 + sum(errors) * 10 \
         + sum(total_tokens) FROM usage_daily";
    for _ in 0..2 {
        store.maintain(NOON + DAY).await.unwrap();
        assert_eq!(file.number(usage), 5 * 1000 + 3 * 100 + 10 + 7);
        assert_eq!(
            file.number("SELECT sum(message_count) FROM conversations"),
            5
        );
        assert_eq!(count_of(&store, "s").await, 5);
        assert_eq!(count_of(&store, "t").await, 2);
    }

    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    assert_eq!(file.number("SELECT sum(dirty) FROM recording_days"), 1);
    assert_eq!(count_of(&store, "s").await, 7);
    store.maintain(NOON + DAY).await.unwrap();
    assert_eq!(file.number("SELECT sum(dirty) FROM recording_days"), 0);
    assert_eq!(count_of(&store, "s").await, 7);

    store.maintain(NOON + 2 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 7);
    assert_eq!(
        file.number("SELECT sum(message_count) FROM conversations"),
        9
    );
    assert_eq!(file.number("SELECT sum(messages) FROM usage_daily"), 9);
}

#[tokio::test]
async fn closing_is_idempotent_and_a_late_row_is_counted_by_the_next() {
    let file = File::new();
    closing_counts(file.store(), &file).await;
}

#[tokio::test]
async fn closing_a_single_table_counts_the_same() {
    let file = File::new();
    closing_counts(file.single_table_store(), &file).await;
}

#[tokio::test]
async fn a_call_closes_a_week_at_most_and_the_next_goes_on() {
    let file = File::new();
    let store = file.store();
    let batch: Vec<ExchangeRows> = (0..10).map(|day| exchange("s", NOON + day * DAY)).collect();
    store.write(&batch).await.unwrap();
    let closed = "SELECT count(closed_at) FROM recording_days";
    for expected in [7, 10] {
        store.maintain(NOON + 10 * DAY).await.unwrap();
        assert_eq!(file.number(closed), expected);
        assert_eq!(count_of(&store, "s").await, 20);
    }
}

#[tokio::test]
async fn a_dropped_day_stops_neither_closing_nor_reading() {
    let file = File::new();
    let store = file.store();
    let batch = [exchange("s", NOON), exchange("s", NOON + DAY)];
    store.write(&batch).await.unwrap();
    file.execute("DROP TABLE conversation_histories_2025_01_16");
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

#[tokio::test]
async fn a_new_day_follows_a_later_migration_of_the_template() {
    let file = File::new();
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    file.execute("ALTER TABLE conversation_histories_template ADD COLUMN later TEXT");
    store.write(&[exchange("s", NOON + 9 * DAY)]).await.unwrap();
    let columns = "SELECT count(*) FROM pragma_table_info('conversation_histories_2025_01_24')";
    assert_eq!(file.number(columns), 39);
    let indexes = "SELECT count(*) FROM sqlite_master WHERE type = 'index' \
         AND name IN ('conversation_histories_2025_01_24_user', \
         'conversation_histories_2025_01_24_chain', \
         'error_conversation_histories_2025_01_24_user')";
    assert_eq!(file.number(indexes), 3);
}
