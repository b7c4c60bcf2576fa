use std::sync::Arc;

use diesel_async::SimpleAsyncConnection;
use tokio::sync::oneshot;

use super::*;
use crate::store::mysql::connection::Work;

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_wait_for_the_writer() {
    let database = Database::new().await;
    let store = Arc::new(database.store());
    let rows = exchange("s", NOON);
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    let (begin, begun) = oneshot::channel::<()>();
    let (release, released) = oneshot::channel::<()>();
    let writer = Arc::clone(&store);
    let held = tokio::spawn(async move {
        writer
            .change(move |session| {
                Box::pin(async move {
                    let connection = &mut session.connection;
                    let hold = "START TRANSACTION; UPDATE conversations SET title = 'held'; \
                         DELETE FROM conversation_histories_2025_01_15; \
                         UPDATE recording_days SET dirty = 1";
                    connection.batch_execute(hold).await?;
                    let _ = begin.send(());
                    let _ = released.await;
                    connection.batch_execute("ROLLBACK").await?;
                    Ok(())
                })
            })
            .await
    });
    begun.await.unwrap();
    let reads = (0..12).map(|_| store.messages(rows.conversation.id, None, 5));
    for page in futures_util::future::join_all(reads).await {
        assert_eq!(page.unwrap().data.len(), 2);
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_call_works() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let panicked = store
        .change(|_| -> Work<'_, ()> { panic!("in the store") })
        .await;
    assert!(!panicked.unwrap_err().is_transient());
    let panicked = store
        .read(|_, _| -> Work<'_, ()> { panic!("in the store") })
        .await;
    assert!(!panicked.unwrap_err().is_transient());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
}
