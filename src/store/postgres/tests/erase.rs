use std::sync::Arc;

use super::*;
use crate::store::Whose;

const WAITING: &str = "SELECT count(*) FROM pg_locks \
     WHERE locktype = 'advisory' AND classid = 731058904 AND NOT granted \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// A count of a day would see rows that are gone, and leave the time of the newest of them.
#[tokio::test]
async fn what_a_user_said_elsewhere_goes_while_nobody_counts_a_day() {
    let database = Database::new().await;
    let store = Arc::new(database.store());
    let mut joined = exchange_of("10.0.0.2", "s", NOON);
    joined.conversation = exchange("s", NOON).conversation;
    joined.exchange.conversation_id = joined.conversation.id;
    store.write(&[joined]).await.unwrap();
    let counting = database.connect().await;
    let lock = concat!("BEGIN; ", lock!(maintenance));
    counting.batch_execute(lock).await.unwrap();
    let erasing = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            store
                .delete_user("", "10.0.0.2", Whose::Bearing, NOON)
                .await
        }
    });
    while database.number(WAITING).await == 0 {
        if erasing.is_finished() {
            panic!("{:?}", erasing.await);
        }
    }
    let left = "SELECT count(*) FROM conversation_histories WHERE user_id = '10.0.0.2'";
    assert_eq!(database.number(left).await, 2);
    counting.batch_execute("COMMIT").await.unwrap();
    assert_eq!(erasing.await.unwrap().unwrap().messages, 2);
    assert_eq!(database.number(left).await, 0);
}
