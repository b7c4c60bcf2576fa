use super::*;

/// A single table with rows of a day that was dropped before the process ended.
async fn interrupted(database: &Database) -> SqliteStore {
    let store = database.single_table_store();
    let batch = [exchange("s", NOON - 5 * DAY), exchange("s", NOON)];
    store.write(&batch).await.unwrap();
    for sql in [
        "DELETE FROM recording_days WHERE day = '2025-01-10'",
        "INSERT INTO recording_meta (key, value) VALUES ('sweeping', '2025-01-10')",
    ] {
        database.execute(sql).await;
    }
    store
}

const ROWS: &str = "SELECT count(*) FROM conversation_histories";
const MARKS: &str = "SELECT count(*) FROM recording_meta WHERE key = 'sweeping'";

#[tokio::test]
async fn what_a_crash_left_of_a_dropped_day_goes_with_the_next_call() {
    let database = Database::open().await;
    let store = interrupted(&database).await;
    store.maintain(NOON).await.unwrap();
    assert_eq!(database.number(ROWS).await, 2);
    assert_eq!(database.number(MARKS).await, 0);
    assert_eq!(count_of(&store, "s").await, 2);
}

#[tokio::test]
async fn what_is_left_of_a_dropped_day_is_not_moved() {
    let database = Database::open().await;
    let store = interrupted(&database).await;
    // A late row of that day: it is known again, and the rest of its rows is not.
    store.write(&[exchange("t", NOON - 5 * DAY)]).await.unwrap();
    store.set_daily_partition(true).await.unwrap();
    assert_eq!(database.number(ROWS).await, 2);
    assert_eq!(database.number(MARKS).await, 0);
    assert_eq!(count_of(&store, "s").await, 2);
}

#[tokio::test]
async fn a_template_without_days_is_what_views_show() {
    let database = Database::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    store.drop_partitions(NOON + 30 * DAY).await.unwrap();
    assert_eq!(database.number(ROWS).await, 0);
    let tables = "SELECT count(*) FROM sqlite_master WHERE name GLOB '*_histories_????_??_??'";
    assert_eq!(database.number(tables).await, 0);
}
