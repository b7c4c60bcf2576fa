//! What goes with a conversation, and what never comes back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::{
    Database,
    rows::*,
    truth::{Truth, talk},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{ExchangeRows, KnownMessage, KnownResponse, Store},
};

/// All rows of a conversation, of whatever kind.
pub(super) async fn rows_of<D: Database>(database: &D, store: &impl Store, id: Id) -> i64 {
    let id = D::id(id);
    let mut tables = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        tables.extend(store.existing_partition_tables(prefix).await.unwrap());
    }
    let mut rows = 0;
    for table in tables {
        let sql = format!("SELECT count(*) FROM {table} WHERE conversation_id = {id}");
        rows += database.number(&sql).await;
    }
    for (table, column) in [
        ("conversations", "id"),
        ("recording_rejects", "conversation_id"),
        ("response_ids", "conversation_id"),
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} = {id}");
        rows += database.number(&sql).await;
    }
    rows
}

fn responding(mut rows: ExchangeRows, hash: u8) -> ExchangeRows {
    rows.response = Some(KnownResponse {
        hash: [hash; 16],
        message: KnownMessage {
            conversation_id: rows.conversation.id,
            id: rows.messages[1].id,
            chain_hash: [hash; 16],
        },
    });
    rows
}

pub(super) async fn said(store: &impl Store, id: Id) -> Vec<String> {
    let page = store.messages(id, None, 100).await.unwrap();
    let said = page.data.into_iter().map(|row| row.message.content);
    said.collect()
}

pub(super) async fn a_conversation_goes_with_all_its_rows_and_no_other<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let gone = id_of("s3");
        let mut rows = talk(21, -9..1, 200);
        let marked = rows
            .iter_mut()
            .find(|rows| rows.conversation.id == gone && !rows.messages.is_empty());
        let marked = marked.unwrap();
        *marked = responding(marked.clone(), 7);
        store.write(&rows).await.unwrap();
        for rows in [exchange("s3", NOON), exchange("s4", NOON)] {
            store.reject(&rows, "refused").await.unwrap();
        }
        store.maintain(NOON).await.unwrap();
        let (own, others): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|rows| rows.conversation.id == gone);
        let deleted = store.delete_conversation(gone, NOON + 10).await.unwrap();
        let deleted = deleted.unwrap();
        let messages: usize = own.iter().map(|rows| rows.messages.len()).sum();
        let errors = own.iter().filter(|rows| rows.error.is_some()).count();
        assert_eq!(deleted.messages, messages as u64);
        assert_eq!(deleted.errors, errors as u64);
        assert_eq!((deleted.conversations, deleted.rejects), (1, 1));
        assert_eq!(deleted.responses, 1);
        assert_eq!(rows_of(&database, &store, gone).await, 0);
        assert_eq!(store.conversation(gone).await.unwrap(), None);
        assert!(said(&store, gone).await.is_empty());
        let truth = Truth::new(others);
        truth.assert(&store, "after it was deleted").await;
        store.maintain(NOON + 2 * DAY).await.unwrap();
        truth.assert(&store, "counted again").await;
        let again = store.delete_conversation(gone, NOON + 20).await.unwrap();
        assert_eq!(again, None);
        let rejects = "SELECT count(*) FROM recording_rejects";
        assert_eq!(database.number(rejects).await, 1);
    }
}

pub(super) async fn what_began_before_does_not_come_back<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let other = database.store_in(daily);
        for store in [&store, &other] {
            // Both remember that it is there.
            store
                .write(&[exchange("s", NOON), exchange("t", NOON)])
                .await
                .unwrap();
        }
        store
            .delete_conversation(id_of("s"), NOON + 10)
            .await
            .unwrap()
            .unwrap();
        for (store, at) in [(&store, NOON + 5), (&other, NOON + 10)] {
            let late = [exchange("s", at), exchange("t", at), failed("s", at)];
            let recorded = store.record(&late).await.unwrap();
            let ids = [&late[0], &late[2]].map(|rows| rows.exchange.exchange_id);
            assert_eq!(recorded.erased, ids);
            assert!(recorded.deleted.contains(&id_of("s")));
            let recorded = store.record(&late).await.unwrap();
            assert_eq!((recorded.erased.len(), recorded.deleted.len()), (2, 0));
            store.reject(&late[0], "refused").await.unwrap();
        }
        assert_eq!(rows_of(&database, &store, id_of("s")).await, 0);
        assert_eq!(count_of(&store, "t").await, 8);
        // Added by hand to what was there before.
        let mut added = exchange("s", NOON + 11);
        added.conversation.created_at = NOON;
        assert_eq!(other.record(&[added]).await.unwrap().erased.len(), 1);
        let recorded = other.record(&[exchange("s", NOON + 11)]).await.unwrap();
        assert!(recorded.erased.is_empty());
        assert_eq!(count_of(&store, "s").await, 2);
    }
}

pub(super) async fn conversations_are_made_and_renamed<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let mut new = exchange("s", NOON).conversation;
    new.title = None;
    assert!(store.create_conversation(&new).await.unwrap());
    assert!(!store.create_conversation(&new).await.unwrap());
    let made = find(&store, "s").await;
    assert_eq!((made.message_count, made.updated_at), (0, NOON));
    assert_eq!(made.title, None);
    assert!(
        store
            .rename_conversation(new.id, "名字 'x' \"")
            .await
            .unwrap()
    );
    assert!(
        !store
            .rename_conversation(id_of("absent"), "x")
            .await
            .unwrap()
    );
    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    let used = find(&store, "s").await;
    assert_eq!(used.title.as_deref(), Some("名字 'x' \""));
    assert_eq!((used.message_count, used.created_at), (2, NOON));
    let listed = store
        .conversations_of_user("", "alice", None, 0, 9)
        .await
        .unwrap();
    assert_eq!(listed.data, [used]);
    let deleted = store
        .delete_conversation(new.id, NOON + 5)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((deleted.conversations, deleted.messages), (1, 2));
    // Anew within the same millisecond, and what is added to it stays.
    new.created_at = NOON + 5;
    assert!(store.create_conversation(&new).await.unwrap());
    let again = find(&store, "s").await;
    assert_eq!((again.message_count, again.created_at), (0, NOON + 6));
    let mut added = exchange("s", NOON + 6);
    added.conversation.created_at = again.created_at;
    assert!(store.record(&[added]).await.unwrap().erased.is_empty());
}

pub(super) async fn a_large_conversation_goes_in_parts<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let mut messages = 0;
        for number in 0..13 {
            let at = NOON - (number % 2) * DAY + number * 1000;
            let batch: Vec<_> = (0..500).map(|row| exchange("long", at + row)).collect();
            store.write(&batch).await.unwrap();
            messages += 1000;
        }
        store.write(&[exchange("short", NOON)]).await.unwrap();
        let deleted = store
            .delete_conversation(id_of("long"), NOON + DAY)
            .await
            .unwrap();
        assert_eq!(deleted.unwrap().messages, messages);
        assert_eq!(rows_of(&database, &store, id_of("long")).await, 0);
        assert_eq!(count_of(&store, "short").await, 2);
    }
}

/// Deletes conversations while two stores write to them, and into others.
pub(super) async fn deleting_while_others_write_leaves_nothing<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let stores = [(); 2].map(|()| Arc::new(database.store_in(daily)));
        stores[0].prepare(NOON).await.unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let writers = [0, 1].map(|number| {
            let (store, done) = (Arc::clone(&stores[number]), Arc::clone(&done));
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(number as u64);
                let (mut written, mut at) = (Vec::new(), NOON);
                while !done.load(SeqCst) {
                    at += 1;
                    let mut one = || {
                        let session = format!("s{}", random.u8(..8));
                        let at = at - random.i64(0..2) * DAY;
                        responding(exchange(&session, at), random.u8(..))
                    };
                    let batch: Vec<_> = std::iter::repeat_with(&mut one).take(20).collect();
                    let recorded = store.record(&batch).await.unwrap();
                    written.push(batch.len() - recorded.erased.len());
                }
                written.into_iter().sum::<usize>()
            })
        });
        // Whatever is written up to then began before it.
        let end = NOON + 10 * DAY;
        for session in ["s1", "s3", "s5"] {
            let id = id_of(session);
            while stores[1].conversation(id).await.unwrap().is_none() {
                assert!(writers.iter().all(|writer| !writer.is_finished()));
            }
            let deleted = stores[0].delete_conversation(id, end).await.unwrap();
            assert!(deleted.unwrap().messages > 0);
            assert_eq!(rows_of(&database, &*stores[0], id).await, 0);
        }
        done.store(true, SeqCst);
        for writer in writers {
            assert!(writer.await.unwrap() > 0);
        }
        for session in ["s1", "s3", "s5"] {
            assert_eq!(rows_of(&database, &*stores[1], id_of(session)).await, 0);
        }
        stores[0].maintain(NOON + 2 * DAY).await.unwrap();
        let listed = stores[0]
            .conversations_of_user("", "alice", None, 0, 99)
            .await;
        let listed = listed.unwrap().data;
        assert_eq!(listed.len(), 5);
        let counted: i64 = listed.iter().map(|one| one.message_count).sum();
        let stats = stores[0]
            .stats("", "alice", NOON - DAY, NOON)
            .await
            .unwrap();
        assert_eq!(stats.total_messages, counted);
        assert!(
            stats
                .daily_message_count
                .contains_key(&Day::from_unix_ms(NOON).to_string())
        );
    }
}
