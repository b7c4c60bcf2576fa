//! A user's conversations, and those of one name.

use super::{Database, rows::*};
use crate::store::{Store, UnixMillis};

async fn sessions(store: &impl Store, limit: usize, offset: usize) -> (Vec<String>, bool) {
    let page = store.conversations_of_user("", "alice", None, offset, limit);
    let page = page.await.unwrap();
    let sessions = page.data.into_iter().map(|row| row.session_id).collect();
    (sessions, page.has_more)
}

async fn last_active_first(store: impl Store) {
    let batch = [
        exchange("old", NOON - 2 * DAY),
        exchange("early", NOON),
        exchange("late", NOON + HOUR),
        exchange("revived", NOON - 2 * DAY),
        exchange("failing", NOON),
        exchange_of("bob", "other", NOON),
    ];
    store.write(&batch).await.unwrap();
    store.write(&[exchange("revived", NOON + 2)]).await.unwrap();
    let late = failed("failing", NOON + 2 * HOUR);
    store.write(&[late]).await.unwrap();
    let expected = ["failing", "late", "revived", "early", "old"];
    for offset in 0..7 {
        for limit in 0..7 {
            let (found, has_more) = sessions(&store, limit, offset).await;
            let start = offset.min(5);
            let end = (offset + limit).min(5);
            assert_eq!(found, expected[start..end], "{limit} {offset}");
            assert_eq!(has_more, offset + limit < 5, "{limit} {offset}");
        }
    }
    let page = store.conversations_of_user("", "alice", None, 0, 5);
    let page = page.await.unwrap();
    let times: Vec<UnixMillis> = page.data.iter().map(|row| row.updated_at).collect();
    assert_eq!(
        times,
        [NOON + 2 * HOUR, NOON + HOUR, NOON + 2, NOON, NOON - 2 * DAY]
    );
    assert_eq!(page.data[2].message_count, 4);
    let nobody = store.conversations_of_user("x", "alice", None, 0, 5);
    let nobody = nobody.await.unwrap();
    assert!(nobody.data.is_empty() && !nobody.has_more);
}

pub(super) async fn a_user_sees_what_was_last_active_first<D: Database>() {
    let database = D::open().await;
    last_active_first(database.store()).await;
}

pub(super) async fn a_user_sees_the_same_from_a_single_table<D: Database>() {
    let database = D::open().await;
    last_active_first(database.single_table_store()).await;
}

pub(super) async fn a_name_finds_every_user_who_uses_it<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let batch = [
        exchange_of("bob", "s", NOON + 1),
        exchange_of("alice", "s", NOON),
        exchange_of("alice", "S", NOON),
    ];
    store.write(&batch).await.unwrap();
    let named = store.conversations_named("", "s").await.unwrap();
    let users: Vec<&str> = named
        .iter()
        .map(|row| row.user_identifier.as_str())
        .collect();
    assert_eq!(users, ["alice", "bob"]);
    let elsewhere = store.conversations_named("t", "s").await.unwrap();
    assert!(elsewhere.is_empty());
}
