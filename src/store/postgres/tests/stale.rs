use std::sync::Arc;

use super::*;

/// As a pooler does that gives a session to others between two transactions.
#[tokio::test]
async fn a_batch_whose_prepared_statements_are_gone_is_written_on_another_connection() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    database
        .execute(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN DEALLOCATE ALL; RETURN NULL; END $$; \
             CREATE TRIGGER forgetting AFTER INSERT ON conversation_histories \
             EXECUTE FUNCTION forget()",
        )
        .await;
    for number in 0..3 {
        store.write(&[exchange("s", NOON + number)]).await.unwrap();
    }
    assert_eq!(count_of(&store, "s").await, 6);
}

#[tokio::test]
async fn a_read_whose_prepared_statements_are_stale_is_read_on_another_connection() {
    let database = Database::new().await;
    let store = Arc::new(database.store());
    let rows = exchange("s", NOON);
    let id = rows.conversation.id;
    store.write(&[rows]).await.unwrap();
    let many = || async {
        let reads = (0..4).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.conversation_with_messages(id, None, 10).await })
        });
        for read in reads.collect::<Vec<_>>() {
            let (_, messages) = read.await.unwrap().unwrap().unwrap();
            assert_eq!(messages.data.len(), 2);
        }
    };
    many().await;
    for length in [300, 400] {
        let alter = format!("ALTER TABLE conversations ALTER title TYPE varchar({length})");
        database.execute(&alter).await;
        many().await;
    }
}
