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
