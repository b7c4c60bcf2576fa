//! A user's conversations, and those of one name.

use super::{
    Database,
    rows::*,
    truth::{Truth, talk},
};
use crate::{
    id::Id,
    store::{Place, Store, UnixMillis},
};

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

/// The whole list, page after page, each behind the place where the one before ended.
async fn by_places(store: &impl Store, limit: usize) -> Vec<Id> {
    let mut found = Vec::new();
    let mut after: Option<Place> = None;
    loop {
        let page = store.conversations_of_user("", "alice", after, 0, limit);
        let page = page.await.unwrap();
        assert!(page.data.len() == limit || !page.has_more, "{limit}");
        found.extend(page.data.iter().map(|row| row.id));
        assert!(found.len() <= 1000, "{limit}");
        let Some(last) = page.data.last().filter(|_| page.has_more) else {
            return found;
        };
        after = Some(Place::of(last).to_string().parse().unwrap());
    }
}

pub(super) async fn pages_by_place_make_the_whole_list<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let mut batch = talk(3, -5..1, 40);
        // Many of one day, and of one time.
        batch.extend((0..30).map(|number| exchange(&format!("t{number}"), NOON + number / 5)));
        batch.extend((0..10).map(|number| failed(&format!("f{number}"), NOON - number * DAY)));
        store.write(&batch).await.unwrap();
        store.maintain(NOON + HOUR).await.unwrap();
        let expected: Vec<Id> = Truth::new(batch)
            .list("", "alice")
            .iter()
            .map(|listed| listed.id)
            .collect();
        for limit in [1, 2, 3, 7, 40, expected.len(), 1000] {
            assert_eq!(by_places(&store, limit).await, expected, "{limit}");
        }
        let all = store.conversations_of_user("", "alice", None, 0, 1000);
        let all = all.await.unwrap().data;
        for (index, row) in all.iter().enumerate() {
            for (offset, limit) in [(0, 4), (3, 3), (20, 2), (0, 0), (1000, 1)] {
                let after = Some(Place::of(row));
                let page = store.conversations_of_user("", "alice", after, offset, limit);
                let page = page.await.unwrap();
                let begin = (index + 1 + offset).min(all.len());
                let end = (begin + limit).min(all.len());
                assert_eq!(page.data, all[begin..end], "{index} {offset} {limit}");
                assert_eq!(page.has_more, end < all.len(), "{index} {offset} {limit}");
            }
        }
    }
}

pub(super) async fn a_place_stays_where_its_conversation_stood<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let batch: Vec<_> = (0..6)
        .map(|number| exchange(&format!("s{number}"), NOON - number * HOUR * 10))
        .collect();
    store.write(&batch).await.unwrap();
    let first = store.conversations_of_user("", "alice", None, 0, 3);
    let after = first.await.unwrap().data.last().map(Place::of);
    store.write(&[exchange("s2", NOON + DAY)]).await.unwrap();
    let rest = store.conversations_of_user("", "alice", after, 0, 9);
    let rest = rest.await.unwrap().data;
    let sessions: Vec<&str> = rest.iter().map(|row| row.session_id.as_str()).collect();
    assert_eq!(sessions, ["s3", "s4", "s5"]);
}

pub(super) async fn the_order_is_right_whatever_has_been_counted<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let mut truth = Truth::default();
        for round in 0..3 {
            let mut batch = talk(round, -9..-1, 30);
            // Failures alone, and one that is newer than the messages.
            batch.push(failed(&format!("f{round}"), NOON - 3 * DAY + 8));
            batch.push(failed("s0", NOON - 3 * DAY + 9 + round as i64));
            store.write(&batch).await.unwrap();
            truth.write(batch);
            let when = format!("with late rows {round}");
            truth.assert(&store, &when).await;
            assert_eq!(by_places(&store, 3).await, ids(&truth), "{when}");
            for _ in 0..2 {
                store.maintain(NOON).await.unwrap();
            }
            let when = format!("closed {round}");
            truth.assert(&store, &when).await;
            assert_eq!(by_places(&store, 3).await, ids(&truth), "{when}");
        }
    }
}

pub(super) async fn one_that_was_made_by_hand_is_as_new_as_its_rows<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let made = NOON - 3 * DAY;
        let failure = failed("by hand", made - HOUR);
        let mut by_hand = failure.conversation.clone();
        by_hand.created_at = made;
        assert!(store.create_conversation(&by_hand).await.unwrap());
        let batch = [failure, exchange("other", made - HOUR / 2)];
        store.write(&batch).await.unwrap();
        for _ in 0..3 {
            let (found, _) = sessions(&store, 9, 0).await;
            assert_eq!(found, ["other", "by hand"]);
            store.maintain(NOON).await.unwrap();
        }
    }
}

fn ids(truth: &Truth) -> Vec<Id> {
    let listed = truth.list("", "alice");
    listed.iter().map(|listed| listed.id).collect()
}
