//! Tables: made where they are missing, listed, dropped.

use std::sync::Arc;

use super::{
    Database,
    rows::*,
    truth::{Truth, talk},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Partition, Store},
};

pub(super) async fn of_several_who_make_a_day_at_once_one_does<D: Database>() {
    let database = D::open().await;
    let stores: Vec<_> = (0..4).map(|_| Arc::new(database.store())).collect();
    stores[0].prepare(NOON).await.unwrap();
    for day in 10..25 {
        let at = NOON + day * DAY;
        let tasks: Vec<_> = stores
            .iter()
            .map(|store| {
                let store = Arc::clone(store);
                tokio::spawn(async move { store.create_table_if_not_exists(at).await })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            made += usize::from(task.await.unwrap().unwrap());
        }
        assert_eq!(made, 1);
    }
    for prefix in [MESSAGES, ERRORS] {
        let tables = stores[1].existing_partition_tables(prefix).await.unwrap();
        assert_eq!(tables.len(), 4 + 15);
        assert!(tables.is_sorted());
        assert_eq!(tables[18], format!("{prefix}_2025_02_08"));
    }
}

pub(super) async fn a_made_day_takes_rows_and_is_seen_by_views<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    assert!(store.create_table_if_not_exists(NOON).await.unwrap());
    assert!(!store.create_table_if_not_exists(NOON + 1).await.unwrap());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let viewed = "SELECT count(*) FROM conversation_histories";
    assert_eq!(database.number(viewed).await, 2);
}

pub(super) async fn only_tables_of_rows_are_listed<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    for prefix in [
        "",
        "conversations",
        "conversation",
        "conversation_histories_2025",
        "usage",
    ] {
        let tables = store.existing_partition_tables(prefix).await.unwrap();
        assert!(tables.is_empty(), "{prefix}: {tables:?}");
    }
    let single = D::open().await;
    let store = single.single_table_store();
    assert!(!store.create_table_if_not_exists(NOON).await.unwrap());
    for prefix in [MESSAGES, ERRORS] {
        let tables = store.existing_partition_tables(prefix).await.unwrap();
        assert_eq!(tables, [prefix]);
    }
}

pub(super) async fn estimates_are_near_what_is_counted<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let exchanges: Vec<_> = (0..200)
        .map(|number| exchange("s", NOON + number))
        .collect();
    store.write(&exchanges).await.unwrap();
    database.execute(D::ANALYZE).await;
    let (counted, estimated) = (store.partitions().await, store.estimated_partitions().await);
    let (counted, estimated) = (counted.unwrap(), estimated.unwrap());
    let days = |tables: &[Partition]| -> Vec<_> {
        let days = tables.iter();
        days.map(|table| (table.table.clone(), table.day.clone()))
            .collect()
    };
    assert_eq!(days(&counted), days(&estimated));
    for (counted, estimated) in counted.iter().zip(&estimated) {
        let range = counted.rows / 2..=counted.rows * 2;
        assert!(
            range.contains(&estimated.rows),
            "{estimated:?} of {counted:?}"
        );
        assert!(estimated.bytes.is_none_or(|bytes| bytes > 0));
    }
    assert_eq!(counted.iter().map(|table| table.rows).sum::<i64>(), 400);
}

fn names(tables: &[Partition]) -> Vec<(&str, i64)> {
    tables
        .iter()
        .map(|table| (table.table.as_str(), table.rows))
        .collect()
}

pub(super) async fn dropping_says_what_went_and_with_how_many_rows<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let batch = [
        exchange("s", NOON - 2 * DAY),
        exchange("s", NOON - DAY),
        exchange("t", NOON - DAY),
        failed("s", NOON - DAY),
        exchange("s", NOON),
    ];
    store.write(&batch).await.unwrap();
    let before = store.partitions().await.unwrap();
    let dropped = store.drop_partitions(NOON).await.unwrap();
    assert_eq!(
        names(&dropped),
        [
            ("conversation_histories_2025_01_13", 2),
            ("conversation_histories_2025_01_14", 4),
            ("error_conversation_histories_2025_01_13", 0),
            ("error_conversation_histories_2025_01_14", 1),
        ]
    );
    assert_eq!(dropped[1].day.as_deref(), Some("2025-01-14"));
    assert_eq!(dropped[1].bytes.is_some(), before[1].bytes.is_some());
    let left = store.partitions().await.unwrap();
    assert_eq!(left.len(), before.len() - 4);
    assert_eq!(store.drop_partitions(NOON).await.unwrap(), []);

    let single = D::open().await;
    let store = single.single_table_store();
    store.write(&batch).await.unwrap();
    let dropped = store.drop_partitions(NOON).await.unwrap();
    let expected = [
        ("conversation_histories", 6),
        ("error_conversation_histories", 1),
    ];
    assert_eq!(names(&dropped), expected);
    assert_eq!(dropped[0].day, None);
    assert_eq!(store.drop_partitions(NOON).await.unwrap(), []);
}

pub(super) async fn what_is_left_after_dropping_is_counted_right<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let mut truth = Truth::new(talk(4, -6..1, 120));
        store.write(truth.rows()).await.unwrap();
        store.maintain(NOON + HOUR).await.unwrap();
        let late = talk(5, -5..-2, 20);
        store.write(&late).await.unwrap();
        truth.write(late);
        // Closed, dirty and open days go, one after the other.
        for days in [6, 5, 3, 2, 1, 0] {
            let before = NOON - days * DAY;
            store.drop_partitions(before).await.unwrap();
            truth.drop_before(Day::from_unix_ms(before));
            truth.assert(&store, &format!("{days} days kept")).await;
        }
        store.maintain(NOON + 2 * DAY).await.unwrap();
        truth.assert(&store, "closed").await;
        store.drop_partitions(NOON + 9 * DAY).await.unwrap();
        truth.drop_before(Day::from_unix_ms(NOON + 9 * DAY));
        truth.assert(&store, "all gone").await;
        for table in ["conversations", "conversation_histories", "recording_days"] {
            let rows = format!("SELECT count(*) FROM {table}");
            assert_eq!(database.number(&rows).await, 0, "{table}");
        }
        store.write(&[exchange("s", NOON + 9 * DAY)]).await.unwrap();
        assert_eq!(count_of(&store, "s").await, 2);
        let viewed = "SELECT count(*) FROM conversation_messages";
        assert_eq!(database.number(viewed).await, 2);
    }
}

pub(super) async fn what_comes_after_its_day_was_dropped_adds_to_its_usage<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        for number in 1..4 {
            let batch = [exchange("s", NOON), failed("t", NOON)];
            store.write(&batch).await.unwrap();
            let before = store.stats("", "alice", NOON, NOON).await.unwrap();
            assert_eq!((before.total_messages, before.errors), (2 * number, number));
            if number == 2 {
                store.maintain(NOON + DAY).await.unwrap();
                let closed = store.stats("", "alice", NOON, NOON).await.unwrap();
                assert_eq!(closed, before);
            }
            store.drop_partitions(NOON + DAY).await.unwrap();
            let after = store.stats("", "alice", NOON, NOON).await.unwrap();
            assert_eq!(after.total_conversations, 0);
            assert_eq!(after.daily_message_count, before.daily_message_count);
            assert_eq!(after.errors, before.errors);
        }
    }
}

pub(super) async fn a_writer_makes_a_conversation_again_that_was_dropped<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let other = database.store_in(daily);
        store.write(&[exchange("s", NOON)]).await.unwrap();
        other.drop_partitions(NOON + DAY).await.unwrap();
        assert_eq!(store.conversation(id_of("s")).await.unwrap(), None);
        store.write(&[exchange("s", NOON + 1)]).await.unwrap();
        assert_eq!(count_of(&other, "s").await, 2);
        store.drop_partitions(NOON + DAY).await.unwrap();
        store.write(&[exchange("s", NOON + 2)]).await.unwrap();
        assert_eq!(count_of(&other, "s").await, 2);
    }
}
