use std::sync::{Arc, mpsc};

use rusqlite::StatementStatus;

use super::*;
use crate::store::sqlite::statement::LIMIT;

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_wait_for_the_writer() {
    let database = Database::open().await;
    let store = Arc::new(database.store());
    let rows = exchange("s", NOON);
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel::<()>();
    let writer = Arc::clone(&store);
    let held = tokio::spawn(async move {
        writer
            .change(move |_, _| {
                let _ = begin.send(());
                let _ = released.recv();
                Ok(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || begun.recv())
        .await
        .unwrap()
        .unwrap();
    let reads = (0..12).map(|_| store.messages(rows.conversation.id, None, 5));
    for page in futures_util::future::join_all(reads).await {
        assert_eq!(page.unwrap().data.len(), 2);
    }
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_call_works() {
    let database = Database::open().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let panicked = store
        .change(|_, _| -> diesel::QueryResult<()> { panic!("in the store") })
        .await;
    assert!(!panicked.unwrap_err().is_transient());
    let panicked = store
        .read(|_, _| -> diesel::QueryResult<()> { panic!("in the store") })
        .await;
    assert!(!panicked.unwrap_err().is_transient());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
}

#[tokio::test]
async fn a_replica_whose_file_is_not_there_is_not_made() {
    let database = Database::open().await;
    let options = StoreOptions {
        read_only: true,
        max_open_conns: 1,
        ..StoreOptions::default()
    };
    let replica = database.store_with(&options);
    let read = replica.messages(id_of("s"), None, 1).await;
    assert!(read.unwrap_err().is_transient());
    assert!(!database.path().exists());
    database
        .store()
        .write(&[exchange("s", NOON)])
        .await
        .unwrap();
    let page = replica.messages(id_of("s"), None, 1).await.unwrap();
    assert_eq!(page.data.len(), 1);
}

#[test]
fn a_limit_does_not_have_a_statement_prepared_again() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let sql = format!("SELECT name FROM sqlite_schema UNION ALL SELECT 'a' {LIMIT}");
    let mut names = connection.prepare(&sql).unwrap();
    for limit in [0_usize, 1, 1] {
        let mut found = names.query([limit as i64]).unwrap();
        assert_eq!(found.next().unwrap().is_some(), limit == 1);
    }
    assert_eq!(names.get_status(StatementStatus::RePrepare), 0);
}
