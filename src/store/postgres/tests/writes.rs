use super::*;

#[tokio::test]
async fn a_day_that_was_detached_is_attached_again_with_its_rows() {
    let database = Database::new().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    database
        .execute(
            "ALTER TABLE conversation_histories DETACH PARTITION conversation_histories_2025_01_15",
        )
        .await;
    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 4);
}

#[tokio::test]
async fn text_that_postgres_cannot_hold_is_no_transient_error() {
    let database = Database::new().await;
    let store = database.store();
    let mut rows = exchange("s", NOON);
    rows.messages[0].content = "secret\0".to_owned();
    let error = store.write(&[rows]).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_refusal_names_the_constraint() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    database.execute(Database::REFUSE_HUNTER2).await;
    let mut rows = exchange("s", NOON);
    rows.messages[0].content = "hunter2".to_owned();
    let error = store.write(&[rows]).await.unwrap_err();
    assert!(error.to_string().contains("refusing"), "{error}");
}
