//! What goes with a user.

use super::{
    Database,
    rows::*,
    truth::{Truth, talk},
};
use crate::{
    id::Id,
    store::{ExchangeRows, Store, Whose},
};

/// Rows that bear this name, in all tables.
async fn rows_bearing<D: Database>(database: &D, name: &str) -> i64 {
    let mut rows = 0;
    for (table, column) in [
        ("conversations", "user_identifier"),
        ("conversation_histories", "user_id"),
        ("error_conversation_histories", "user_id"),
        ("usage_daily", "user_id"),
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE tenant = '' AND {column} = '{name}'");
        rows += database.number(&sql).await;
    }
    rows
}

/// An exchange of somebody who is known by an address only.
fn unnamed(session: &str, address: &str, at: i64) -> ExchangeRows {
    let mut rows = exchange_of(address, session, at);
    rows.conversation.id = Id::conversation("", None, session);
    rows.exchange.conversation_id = rows.conversation.id;
    rows
}

pub(super) async fn a_user_goes_from_every_table_with_exact_counts<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let rows = talk(31, -12..1, 400);
        store.write(&rows).await.unwrap();
        for at in [NOON, NOON - DAY] {
            store.reject(&exchange("s1", at), "refused").await.unwrap();
        }
        // Of a conversation that was never stored.
        store
            .reject(&exchange("refused", NOON), "refused")
            .await
            .unwrap();
        store
            .reject(&exchange_of("bob", "s1", NOON), "refused")
            .await
            .unwrap();
        store.maintain(NOON).await.unwrap();
        store.maintain(NOON).await.unwrap();
        let usage = "SELECT count(*) FROM usage_daily WHERE tenant = '' AND user_id = 'alice'";
        let usage = database.number(usage).await;
        assert!(usage > 9);
        let is_own = |rows: &ExchangeRows| {
            rows.exchange.user_id == "alice" && rows.exchange.tenant.is_empty()
        };
        let (own, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_own);
        let deleted = store
            .delete_user("", "alice", Whose::Bearing, NOON + 10)
            .await
            .unwrap();
        let messages: usize = own.iter().map(|rows| rows.messages.len()).sum();
        let errors = own.iter().filter(|rows| rows.error.is_some()).count();
        assert_eq!(
            (deleted.messages, deleted.errors),
            (messages as u64, errors as u64)
        );
        assert_eq!((deleted.conversations, deleted.rejects), (9, 3));
        assert_eq!(deleted.usage, usage as u64);
        assert_eq!(rows_bearing(&database, "alice").await, 0);
        let rejects = "SELECT count(*) FROM recording_rejects";
        assert_eq!(database.number(rejects).await, 1);
        let truth = Truth::new(others);
        truth.assert(&store, "after another was deleted").await;
        store.maintain(NOON + 2 * DAY).await.unwrap();
        truth.assert(&store, "counted again").await;
        assert_eq!(rows_bearing(&database, "alice").await, 0);
        // What was on its way does not come back, whatever it is called; what begins later is new.
        let late = [exchange("s1", NOON + 3), exchange("never", NOON + 10)];
        assert_eq!(store.record(&late).await.unwrap().erased.len(), 2);
        store.reject(&late[1], "refused").await.unwrap();
        assert_eq!(database.number(rejects).await, 1);
        store.write(&[exchange("s1", NOON + 11)]).await.unwrap();
        assert_eq!(count_of(&store, "s1").await, 2);
        let again = store
            .delete_user("", "nobody", Whose::Bearing, NOON + 12)
            .await;
        assert_eq!(again.unwrap(), Default::default());
    }
}

pub(super) async fn who_is_named_like_an_address_deletes_only_his_own<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        const IP: &str = "10.0.0.7";
        let mut all = Vec::new();
        for day in -3..1 {
            let at = NOON + day * DAY;
            all.push(exchange_of(IP, "mine", at));
            all.push(unnamed("whose", IP, at + 1));
        }
        store.write(&all).await.unwrap();
        store.reject(&all[0], "refused").await.unwrap();
        store.reject(&all[1], "refused").await.unwrap();
        store.maintain(NOON).await.unwrap();
        let deleted = store
            .delete_user("", IP, Whose::Named, NOON + 10)
            .await
            .unwrap();
        assert_eq!((deleted.conversations, deleted.messages), (1, 8));
        assert_eq!(deleted.rejects, 1);
        let others = all
            .into_iter()
            .filter(|rows| rows.conversation.session_id == "whose");
        let truth = Truth::new(others.collect());
        truth.assert(&store, "once his own was deleted").await;
        store.maintain(NOON + 2 * DAY).await.unwrap();
        truth.assert(&store, "counted again").await;
        let late = [
            exchange_of(IP, "new", NOON + 5),
            unnamed("whose", IP, NOON + 5),
        ];
        let recorded = store.record(&late).await.unwrap();
        assert_eq!(recorded.erased, [late[0].exchange.exchange_id]);
    }
}

pub(super) async fn what_a_user_said_elsewhere_goes_too<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let old = NOON - 3 * DAY;
        let begun = unnamed("shared", "10.0.0.1", old);
        let mut joined = unnamed("shared", "10.0.0.2", old + 5);
        joined.conversation.user_identifier = "10.0.0.1".to_owned();
        store.write(&[begun, joined]).await.unwrap();
        store.maintain(NOON).await.unwrap();
        let deleted = store
            .delete_user("", "10.0.0.2", Whose::Bearing, NOON)
            .await
            .unwrap();
        assert_eq!(
            (deleted.conversations, deleted.messages, deleted.usage),
            (0, 2, 1)
        );
        assert_eq!(rows_bearing(&database, "10.0.0.2").await, 0);
        let shared = store.conversations_named("", "shared").await.unwrap();
        assert_eq!((shared[0].message_count, shared[0].updated_at), (2, old));
        store.maintain(NOON + DAY).await.unwrap();
        let shared = store.conversations_named("", "shared").await.unwrap();
        assert_eq!((shared[0].message_count, shared[0].updated_at), (2, old));
        assert_eq!(rows_bearing(&database, "10.0.0.2").await, 0);
        let stats = store.stats("", "10.0.0.1", old, NOON).await.unwrap();
        assert_eq!(stats.total_messages, 2);
    }
}

pub(super) async fn a_conversation_is_as_new_as_what_is_left_of_it<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let old = NOON - 3 * DAY;
        let begun = unnamed("shared", "10.0.0.1", old);
        let mut joined = unnamed("shared", "10.0.0.2", old + DAY);
        joined.conversation.user_identifier = "10.0.0.1".to_owned();
        store.write(&[begun, joined]).await.unwrap();
        store.maintain(NOON).await.unwrap();
        let shared = store.conversations_named("", "shared").await.unwrap();
        assert_eq!(shared[0].updated_at, old + DAY);
        let deleted = store.delete_user("", "10.0.0.2", Whose::Bearing, NOON);
        assert_eq!(deleted.await.unwrap().messages, 2);
        for _ in 0..2 {
            let shared = store.conversations_named("", "shared").await.unwrap();
            assert_eq!(shared[0].updated_at, old);
            let list = store.conversations_of_user("", "10.0.0.1", None, 0, 5);
            assert_eq!(list.await.unwrap().data, shared);
            store.maintain(NOON + DAY).await.unwrap();
        }
    }
}

pub(super) async fn a_conversation_made_by_hand_begins_behind_the_erasure_of_its_user<
    D: Database,
>() {
    for whose in [Whose::Bearing, Whose::Named] {
        let database = D::open().await;
        let store = database.store();
        store.delete_user("", "alice", whose, NOON).await.unwrap();
        let unnamed_begin = match whose {
            Whose::Bearing => NOON + 1,
            Whose::Named => NOON,
        };
        let of_another = exchange_of("bob", "s", NOON).conversation;
        for (new, begun) in [
            (exchange("s", NOON - 5).conversation, NOON + 1),
            (exchange("t", NOON + 5).conversation, NOON + 5),
            (of_another, NOON),
            (unnamed("u", "alice", NOON).conversation, unnamed_begin),
        ] {
            assert!(store.create_conversation(&new).await.unwrap());
            let made = store.conversation(new.id).await.unwrap().unwrap();
            assert_eq!(made.created_at, begun);
            let mut added = exchange_of(&new.user_identifier, &new.session_id, begun);
            added.exchange.conversation_id = new.id;
            added.conversation = new.clone();
            added.conversation.created_at = begun;
            assert!(store.record(&[added]).await.unwrap().erased.is_empty());
        }
    }
}
