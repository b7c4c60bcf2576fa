//! Sums of closed, open and dirty days.

use super::{
    Database,
    rows::*,
    truth::{Truth, talk},
};
use crate::{partition::Day, store::Store};

async fn assert_ranges(truth: &Truth, store: &impl Store, when: &str) {
    let days: Vec<Day> = (-6..4)
        .map(|day| Day::from_unix_ms(NOON + day * DAY))
        .collect();
    for (index, first) in days.iter().enumerate() {
        for last in days.get(index..).unwrap_or_default() {
            let alice = ("", "alice");
            truth.assert_stats(store, alice, *first, *last, when).await;
        }
    }
    for owner in [("", "bob"), ("t", "alice"), ("t", "bob"), ("", "nobody")] {
        let (first, last) = (days[0], days[days.len() - 1]);
        truth.assert_stats(store, owner, first, last, when).await;
    }
}

pub(super) async fn stats_are_what_the_rows_say<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let mut truth = Truth::new(talk(1, -4..1, 120));
        store.write(truth.rows()).await.unwrap();
        assert_ranges(&truth, &store, "open").await;
        store.maintain(NOON + HOUR).await.unwrap();
        assert_ranges(&truth, &store, "closed, but today").await;
        let late = talk(2, -2..-1, 20);
        store.write(&late).await.unwrap();
        truth.write(late);
        assert_ranges(&truth, &store, "with a dirty day").await;
        let days = "SELECT count(*) FROM recording_days WHERE dirty <> 0 AND closed_at IS NOT NULL";
        assert_eq!(database.number(days).await, 1);
        store.maintain(NOON + HOUR).await.unwrap();
        assert_ranges(&truth, &store, "counted again").await;
        store.maintain(NOON + 2 * DAY).await.unwrap();
        assert_ranges(&truth, &store, "closed").await;
        truth.assert(&store, "closed").await;
    }
}

pub(super) async fn stats_of_a_range_that_ends_before_it_begins_are_empty<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let stats = store.stats("", "alice", NOON + DAY, NOON - DAY).await;
    assert_eq!(stats.unwrap(), crate::store::Stats::default());
}

pub(super) async fn sums_stop_at_the_largest_number<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    for day in 0..2 {
        let mut rows = exchange("s", NOON + day * DAY);
        for message in &mut rows.messages {
            message.usage.total_tokens = Some(i64::MAX);
        }
        store.write(&[rows]).await.unwrap();
    }
    for now in [NOON, NOON + DAY, NOON + 2 * DAY] {
        store.maintain(now).await.unwrap();
        let stats = store.stats("", "alice", NOON, NOON + DAY).await.unwrap();
        assert_eq!(stats.total_tokens, i64::MAX);
        assert_eq!(stats.exchanges, 2);
    }
}
