//! Reading what is there and what is not.

use super::{Database, rows::*};
use crate::store::Store;

pub(super) async fn what_was_never_written_is_not_found<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let id = id_of("s");
    assert_eq!(store.conversation(id).await.unwrap(), None);
    assert!(store.messages(id, None, 5).await.unwrap().data.is_empty());
    let errors = store.errors(id, None, usize::MAX).await.unwrap();
    assert!(errors.data.is_empty());
    let nobody = store.conversations_of_user("", "alice", None, usize::MAX, usize::MAX);
    assert!(nobody.await.unwrap().data.is_empty());
}

pub(super) async fn one_store_serves_several_runtimes_that_come_and_go<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let runtimes = move || {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        for number in 0..3 {
            let written = runtime().block_on(store.write(&[exchange("s", NOON + number)]));
            written.unwrap();
            assert_eq!(runtime().block_on(count_of(&store, "s")), 2 * (number + 1));
        }
    };
    tokio::task::spawn_blocking(runtimes).await.unwrap();
}
