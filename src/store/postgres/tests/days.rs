use super::*;

const TABLES: &str = "SELECT count(*) FROM pg_class WHERE relkind = 'r' \
     AND relnamespace = current_schema()::regnamespace";

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

#[tokio::test]
async fn a_database_from_before_newest_at_is_read_and_brought_up_to_date() {
    const DOWN: &str =
        include_str!("../../../../migrations/postgres/2026-11-26-000000_newest_rows/down.sql");
    let database = Database::new().await;
    database
        .store()
        .write(&[exchange("s", NOON)])
        .await
        .unwrap();
    database.store().maintain(NOON + 2 * DAY).await.unwrap();
    database.execute(DOWN).await;
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = '20261126000000'";
    database.execute(forget).await;

    let store = database.store();
    store.write(&[exchange("t", NOON + 1)]).await.unwrap();
    let known = "SELECT count(*) FROM conversations WHERE newest_at IS NOT NULL";
    for closed in [0, 2] {
        let page = store.conversations_of_user("", "alice", None, 0, 5);
        let page = page.await.unwrap().data;
        let listed: Vec<_> = page
            .iter()
            .map(|row| (row.session_id.as_str(), row.updated_at, row.message_count))
            .collect();
        assert_eq!(listed, [("t", NOON + 1, 2), ("s", NOON, 2)]);
        assert_eq!(database.number(known).await, closed);
        store.maintain(NOON + 2 * DAY).await.unwrap();
    }
}
