//! Reading from a copy that may lag behind.

use std::{sync::Arc, time::Duration};

use super::{Database, rows::*};
use crate::store::{ExchangeRows, Recall, Store, StoreOptions, Whose, replica::Replicated};

/// Writes to one database and reads from the other.
fn replicated<D: Database>(primary: &D, copy: &D) -> Replicated {
    let options = StoreOptions {
        read_only: true,
        ..StoreOptions::default()
    };
    let (primary, copy) = (primary.store(), copy.store_with(&options));
    Replicated::new(Arc::new(primary), Arc::new(copy), Duration::ZERO)
}

/// Two databases with these rows.
async fn twins<D: Database>(daily: bool, batch: &[ExchangeRows]) -> (D, D) {
    let (one, other) = (D::open().await, D::open().await);
    for database in [&one, &other] {
        database.store_in(daily).write(batch).await.unwrap();
    }
    (one, other)
}

/// A database, and a copy of it.
async fn copied<D: Database>(daily: bool, batch: &[ExchangeRows]) -> (D, D) {
    let (primary, copy) = twins::<D>(daily, batch).await;
    let secret = primary.store().secret().await.unwrap();
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = D::bytes(&secret);
    let sql = format!("UPDATE recording_meta SET value = {secret} WHERE length(value) = 32");
    copy.execute(&sql).await;
    (primary, copy)
}

/// Tells what is read from this database from what is not.
async fn mark(copy: &impl Database) {
    for sql in [
        "UPDATE conversation_histories_2025_01_15 SET content = 'copied'",
        "UPDATE error_conversation_histories_2025_01_15 SET content = 'copied'",
        "UPDATE conversations SET title = 'copied'",
    ] {
        copy.execute(sql).await;
    }
}

async fn contents(store: &impl Store, session: &str) -> Vec<String> {
    let page = store.messages(id_of(session), None, 100).await.unwrap();
    let contents = page.data.into_iter().map(|row| row.message.content);
    contents.collect()
}

async fn failures(store: &impl Store, session: &str) -> Vec<String> {
    let page = store.errors(id_of(session), None, 100).await.unwrap();
    page.data.into_iter().map(|row| row.error.content).collect()
}

async fn titles(store: &impl Store) -> Vec<Option<String>> {
    let page = store.conversations_of_user("", "alice", None, 0, 100);
    let page = page.await.unwrap();
    page.data.into_iter().map(|one| one.title).collect()
}

pub(super) async fn rows_are_read_from_the_replica_and_the_primary_says_what_there_is<
    D: Database,
>() {
    let batch = [exchange("s", NOON), failed("s", NOON + 1)];
    let (primary, copy) = copied::<D>(true, &batch).await;
    copy.store().write(&[exchange("t", NOON)]).await.unwrap();
    mark(&copy).await;
    let store = replicated(&primary, &copy);
    assert_eq!(contents(&store, "s").await, ["copied", "copied"]);
    assert_eq!(failures(&store, "s").await, ["copied"]);
    let copied = || Some("copied".to_owned());
    assert_eq!(titles(&store).await, [copied(), copied()]);
    let stats = store.stats("", "alice", NOON, NOON).await.unwrap();
    assert_eq!(stats.total_conversations, 2);
    assert_eq!(find(&store, "s").await.title.as_deref(), Some("title of s"));
    let named = store.conversations_named("", "t").await.unwrap();
    assert!(named.is_empty());
    assert_eq!(store.conversation(id_of("t")).await.unwrap(), None);
    assert!(contents(&store, "t").await.is_empty());
}

pub(super) async fn nothing_is_ever_written_to_the_replica<D: Database>() {
    let (primary, copy) = copied::<D>(true, &[exchange("s", NOON)]).await;
    let rows = "SELECT count(*) FROM conversation_histories";
    let before = (copy.number(rows).await, copy.number(D::SCHEMA).await);
    let store = replicated(&primary, &copy);
    assert_eq!(contents(&store, "s").await.len(), 2);
    store.prepare(NOON + 30 * DAY).await.unwrap();
    let late = [exchange("s", NOON + 1), exchange("s", NOON + 40 * DAY)];
    store.write(&late).await.unwrap();
    store.maintain(NOON + 2 * DAY).await.unwrap();
    store.drop_partitions(NOON).await.unwrap();
    store.set_daily_partition(false).await.unwrap();
    assert_eq!(contents(&store, "s").await.len(), 2);
    assert_eq!(contents(&primary.store(), "s").await.len(), 6);
    let after = (copy.number(rows).await, copy.number(D::SCHEMA).await);
    assert_eq!(after, before);
    let wanted = Recall {
        conversations: vec![id_of("s")],
        ..Recall::default()
    };
    assert_eq!(store.recall(&wanted).await.unwrap().heads.len(), 1);
}

pub(super) async fn what_was_removed_is_never_read_from_a_replica_that_lags<D: Database>() {
    for daily in [true, false] {
        let old = NOON - 3 * DAY;
        let batch = ["gone", "again", "s"].map(|session| exchange(session, old));
        let batch = [batch.as_slice(), &[exchange("s", NOON)]].concat();
        let (primary, copy) = copied::<D>(daily, &batch).await;
        let store = replicated(&primary, &copy);
        assert_eq!(contents(&store, "s").await.len(), 4);
        store.drop_partitions(NOON - DAY).await.unwrap();
        // It has the id that it had before.
        store.write(&[exchange("again", NOON)]).await.unwrap();
        for (session, rows) in [("gone", 0), ("again", 2), ("s", 2)] {
            assert_eq!(contents(&store, session).await.len(), rows, "{session}");
        }
        let own = primary.store();
        assert_eq!(titles(&store).await, titles(&own).await);
        let stats = async |store: &dyn Store| store.stats("", "alice", old, NOON).await.unwrap();
        assert_eq!(stats(&store).await, stats(&own).await);
        assert_eq!(contents(&copy.store(), "gone").await.len(), 2);
    }
}

pub(super) async fn what_was_deleted_is_never_read_from_a_replica_that_lags<D: Database>() {
    for daily in [true, false] {
        let batch = ["gone", "again", "s"].map(|session| exchange(session, NOON));
        let batch = [batch.as_slice(), &[exchange_of("bob", "b", NOON)]].concat();
        let (primary, copy) = copied::<D>(daily, &batch).await;
        let store = replicated(&primary, &copy);
        for session in ["gone", "again"] {
            let deleted = store.delete_conversation(id_of(session), NOON + 1).await;
            assert_eq!(deleted.unwrap().unwrap().messages, 2);
        }
        store.write(&[exchange("again", NOON + 2)]).await.unwrap();
        for (session, rows) in [("gone", 0), ("again", 2), ("s", 2)] {
            assert_eq!(contents(&store, session).await.len(), rows, "{session}");
        }
        assert_eq!(titles(&store).await.len(), 2);
        let (primary, copy) = copied::<D>(daily, &batch).await;
        let store = replicated(&primary, &copy);
        store
            .delete_user("", "alice", Whose::Named, NOON + 1)
            .await
            .unwrap();
        assert!(titles(&store).await.is_empty());
        let stats = store.stats("", "alice", NOON, NOON).await.unwrap();
        assert_eq!(stats.total_messages, 0);
        assert_eq!(
            store
                .stats("", "bob", NOON, NOON)
                .await
                .unwrap()
                .total_messages,
            2
        );
    }
}

pub(super) async fn what_somebody_deleted_by_hand_is_not_read_from_the_replica<D: Database>() {
    let batch = [exchange("s", NOON), failed("s", NOON + 1)];
    let (primary, copy) = copied::<D>(true, &batch).await;
    primary.execute("DELETE FROM conversations").await;
    let store = replicated(&primary, &copy);
    assert!(contents(&store, "s").await.is_empty());
    assert!(failures(&store, "s").await.is_empty());
}

pub(super) async fn a_replica_that_cannot_answer_is_done_without<D: Database>() {
    let (primary, other) = twins::<D>(true, &[exchange("s", NOON)]).await;
    mark(&other).await;
    let empty = D::open().await;
    let schema = empty.number(D::SCHEMA).await;
    for copy in [&other, &empty] {
        let store = replicated(&primary, copy);
        assert_eq!(contents(&store, "s").await, ["question", "answer"]);
        assert_eq!(titles(&store).await, [Some("title of s".to_owned())]);
    }
    assert_eq!(empty.number(D::SCHEMA).await, schema);
}
