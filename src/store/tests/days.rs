//! Days: their tables and views, and what closing them derives.

use super::{Database, rows::*};
use crate::{
    conversation::Role,
    store::{ExchangeRows, Store},
};

const CLOSED_AND_DIRTY: &str =
    "SELECT count(*) FROM recording_days WHERE closed_at IS NOT NULL AND dirty <> 0";

pub(super) async fn preparing_makes_today_and_three_days_and_nothing_the_second_time<
    D: Database,
>() {
    let database = D::open().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let before = database.number(D::SCHEMA).await;
    store.prepare(NOON).await.unwrap();
    database.store().prepare(NOON).await.unwrap();
    assert_eq!(database.number(D::SCHEMA).await, before);
    let partitions = store.partitions().await.unwrap();
    let days = partitions[..4].iter().map(|table| table.day.as_deref());
    let expected = ["2025-01-15", "2025-01-16", "2025-01-17", "2025-01-18"];
    assert_eq!(days.collect::<Vec<_>>(), expected.map(Some));
    assert_eq!(partitions.len(), 8);
    assert!(partitions.iter().all(|table| table.bytes > Some(0)));
    assert_eq!(
        store.conversation_history_table_name(NOON).await.unwrap(),
        "conversation_histories_2025_01_15"
    );
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(store.partitions().await.unwrap()[0].rows, 2);
    let secret = "SELECT count(*) FROM recording_meta WHERE length(value) = 32";
    assert_eq!(database.number(secret).await, 1);
}

pub(super) async fn the_database_keeps_the_mode_it_was_begun_in<D: Database>() {
    let daily = D::open().await;
    daily.store().prepare(NOON).await.unwrap();
    let store = daily.single_table_store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let rows = "SELECT count(*) FROM conversation_histories_2025_01_15";
    assert_eq!(daily.number(rows).await, 2);

    let single = D::open().await;
    single.single_table_store().prepare(NOON).await.unwrap();
    let store = single.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    store.maintain(NOON).await.unwrap();
    assert_eq!(
        store.conversation_history_table_name(NOON).await.unwrap(),
        "conversation_histories"
    );
    let partitions = store.partitions().await.unwrap();
    let tables = partitions
        .iter()
        .map(|table| (table.day.as_deref(), table.rows));
    assert_eq!(tables.collect::<Vec<_>>(), [(None, 2), (None, 0)]);
    assert_eq!(single.number(&viewed::<D>()).await, 2);
}

fn viewed<D: Database>() -> String {
    format!(
        "SELECT count(*) FROM conversation_messages WHERE session_id = 's' AND {}",
        D::AT_NOON
    )
}

pub(super) async fn views_follow_the_days<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(database.number(&viewed::<D>()).await, 2);
    store.write(&[exchange("s", NOON + 5 * DAY)]).await.unwrap();
    assert_eq!(database.number(&viewed::<D>()).await, 4);
    store.write(&[failed("s", NOON + 6 * DAY)]).await.unwrap();
    let errors = "SELECT count(*) FROM error_conversation_histories";
    assert_eq!(database.number(errors).await, 1);
}

pub(super) async fn views_show_the_newest_days<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let days = D::VIEWED_DAYS.unwrap_or(20) + 20;
    let batch: Vec<ExchangeRows> = (0..days)
        .map(|day| exchange("s", NOON + day * DAY))
        .collect();
    let (most, newest) = batch.split_at(batch.len() - 10);
    store.write(most).await.unwrap();
    store.write(newest).await.unwrap();
    let viewed = "SELECT count(*) FROM conversation_histories";
    let expected = 2 * D::VIEWED_DAYS.unwrap_or(days);
    assert_eq!(database.number(viewed).await, expected);
    assert_eq!(count_of(&store, "s").await, 2 * days);
}

async fn closing_counts<D: Database>(database: &D, store: D::Store) {
    let mut tool = exchange("s", NOON);
    tool.messages[0].role = Role::Tool;
    tool.messages[1].usage.prompt_tokens = Some(i64::MAX);
    tool.messages[1].usage.total_tokens = Some(7);
    let mut twin = exchange("t", NOON);
    twin.messages[1].usage.prompt_tokens = Some(i64::MAX);
    let batch = [
        exchange("s", NOON - DAY),
        tool,
        twin,
        failed("s", NOON),
        exchange("s", NOON + DAY),
    ];
    store.write(&batch).await.unwrap();
    let usage = "SELECT sum(messages) * 1000 + sum(exchanges) * 100 + sum(errors) * 10 \
         + sum(total_tokens) FROM usage_daily";
    let most = "SELECT max(prompt_tokens) FROM usage_daily";
    let counted = "SELECT sum(message_count) FROM conversations";
    for _ in 0..2 {
        store.maintain(NOON + DAY).await.unwrap();
        assert_eq!(database.number(usage).await, 5 * 1000 + 3 * 100 + 10 + 7);
        assert_eq!(database.number(most).await, i64::MAX);
        assert_eq!(database.number(counted).await, 5);
        assert_eq!(count_of(&store, "s").await, 5);
        assert_eq!(count_of(&store, "t").await, 2);
    }
    assert_eq!(database.number(CLOSED_AND_DIRTY).await, 0);

    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    assert_eq!(database.number(CLOSED_AND_DIRTY).await, 1);
    assert_eq!(count_of(&store, "s").await, 7);
    store.maintain(NOON + DAY).await.unwrap();
    assert_eq!(database.number(CLOSED_AND_DIRTY).await, 0);
    assert_eq!(count_of(&store, "s").await, 7);

    store.maintain(NOON + 2 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 7);
    assert_eq!(database.number(counted).await, 9);
    let messages = "SELECT sum(messages) FROM usage_daily";
    assert_eq!(database.number(messages).await, 9);
}

pub(super) async fn closing_is_idempotent_and_a_late_row_is_counted_by_the_next<D: Database>() {
    let database = D::open().await;
    closing_counts(&database, database.store()).await;
}

pub(super) async fn closing_a_single_table_counts_the_same<D: Database>() {
    let database = D::open().await;
    closing_counts(&database, database.single_table_store()).await;
}

pub(super) async fn a_call_closes_a_week_at_most_and_the_next_goes_on<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..10).map(|day| exchange("s", NOON + day * DAY)).collect();
    store.write(&batch).await.unwrap();
    let closed = "SELECT count(closed_at) FROM recording_days";
    for expected in [7, 10] {
        store.maintain(NOON + 10 * DAY).await.unwrap();
        assert_eq!(database.number(closed).await, expected);
        assert_eq!(count_of(&store, "s").await, 20);
    }
}

pub(super) async fn a_dropped_day_stops_neither_closing_nor_reading<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let batch = [exchange("s", NOON), exchange("s", NOON + DAY)];
    store.write(&batch).await.unwrap();
    let dropped = "DROP TABLE conversation_histories_2025_01_16";
    database.execute(dropped).await;
    let page = store.messages(id_of("s"), None, 10).await.unwrap();
    assert_eq!(page.data.len(), 2);
    let conversations = store.conversations_of_user("", "alice", None, 0, 10);
    assert_eq!(conversations.await.unwrap().data[0].updated_at, NOON);
    store.maintain(NOON + 3 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
}

pub(super) async fn a_new_day_follows_a_later_migration<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let migration = format!("ALTER TABLE {} ADD COLUMN later TEXT", D::TEMPLATE);
    database.execute(&migration).await;
    store.write(&[exchange("s", NOON + 9 * DAY)]).await.unwrap();
    let [columns, indexes] = D::columns_and_indexes("conversation_histories_2025_01_24");
    assert_eq!(database.number(&columns).await, 39);
    assert_eq!(database.number(&indexes).await, 3);
    let [_, indexes] = D::columns_and_indexes("error_conversation_histories_2025_01_24");
    assert_eq!(database.number(&indexes).await, 2);
}
