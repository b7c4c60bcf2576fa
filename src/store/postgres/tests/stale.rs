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
