use super::*;
use crate::store::StoreError;

#[tokio::test]
async fn memory_keeps_conversations_as_a_file_does() {
    let store = SqliteStore::new(Location::Memory, &StoreOptions::default());
    store.prepare(NOON).await.unwrap();
    assert_round_trip(&store).await;
    store.maintain(NOON + 3 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "plain").await, 2);
    store.set_daily_partition(false).await.unwrap();
    store.write(&[exchange("plain", NOON + DAY)]).await.unwrap();
    assert_eq!(count_of(&store, "plain").await, 4);
    store.drop_partitions(NOON + DAY).await.unwrap();
    assert_eq!(count_of(&store, "plain").await, 2);
}

#[tokio::test]
async fn what_an_operator_can_mend_is_transient() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let text = path("text.db");
    std::fs::write(&text, "no database at all, ".repeat(100)).unwrap();
    let locations = [
        path("missing/conversations.db"),
        directory.path().to_str().unwrap().to_owned(),
        text,
    ];
    for location in locations {
        let store = SqliteStore::new(Location::File(location), &StoreOptions::default());
        let error = store.prepare(NOON).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let read = store
            .messages(exchange("s", NOON).conversation.id, None, 1)
            .await;
        assert!(read.unwrap_err().is_transient());
    }
}

#[tokio::test]
async fn a_read_only_file_is_a_transient_error() {
    let database = Database::open().await;
    database.store().prepare(NOON).await.unwrap();
    database.execute("PRAGMA journal_mode = DELETE").await;
    let path = database.path();
    let uri = format!("file:{}?mode=ro", path.to_str().unwrap());
    let store = SqliteStore::new(Location::File(uri), &StoreOptions::default());
    let error = store.write(&[exchange("s", NOON)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}
