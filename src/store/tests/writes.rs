//! Rows on their way in.

use super::{Database, rows::*};
use crate::{
    conversation::Role,
    store::{ExchangeRows, Store, StoreOptions},
};

pub(in crate::store) async fn assert_round_trip(store: &impl Store) {
    for rows in [full(NOON), exchange("plain", NOON), failed("failed", NOON)] {
        store.write(std::slice::from_ref(&rows)).await.unwrap();
        let id = rows.conversation.id;
        let messages = store.messages(id, None, 10).await.unwrap();
        assert!(!messages.has_more);
        let read = messages.data.iter().map(|row| row.message.clone());
        assert_eq!(read.collect::<Vec<_>>(), rows.messages);
        let mut exchanges = messages.data.iter().map(|row| &row.exchange);
        assert!(exchanges.all(|exchange| *exchange == rows.exchange));
        let errors = store.errors(id, None, 10).await.unwrap().data;
        assert_eq!(errors.first().map(|row| &row.error), rows.error.as_ref());
        assert!(errors.iter().all(|row| row.exchange == rows.exchange));
        let conversation = store.conversation(id).await.unwrap().unwrap();
        assert_eq!(conversation.id, id);
        assert_eq!(conversation.tenant, rows.conversation.tenant);
        assert_eq!(conversation.session_id, rows.conversation.session_id);
        assert_eq!(conversation.title, rows.conversation.title);
        assert_eq!(conversation.session_source, "x-session-id");
        assert_eq!(conversation.created_at, NOON);
        assert_eq!(conversation.updated_at, NOON);
        assert_eq!(conversation.message_count, rows.messages.len() as i64);
    }
}

pub(super) async fn every_column_comes_back_as_it_was_written<D: Database>() {
    let database = D::open().await;
    assert_round_trip(&database.store()).await;
}

pub(super) async fn every_column_comes_back_from_a_single_table<D: Database>() {
    let database = D::open().await;
    assert_round_trip(&database.single_table_store()).await;
}

pub(super) async fn one_connection_serves_writer_and_readers<D: Database>() {
    let database = D::open().await;
    let options = StoreOptions {
        max_open_conns: 1,
        max_idle_conns: 0,
        max_lifetime: Some(std::time::Duration::ZERO),
        ..StoreOptions::default()
    };
    assert_round_trip(&database.store_with(&options)).await;
}

pub(super) async fn the_same_batch_twice_stands_there_once<D: Database>() {
    let database = D::open().await;
    let batch: Vec<ExchangeRows> = (0..330)
        .map(|number| exchange("s", NOON + number))
        .chain([failed("s", NOON)])
        .collect();
    database.store().write(&batch).await.unwrap();
    let store = database.store();
    store.write(&batch).await.unwrap();
    store.write(&batch).await.unwrap();
    for (table, rows) in [
        ("conversation_histories", 660),
        ("error_conversation_histories", 1),
        ("conversations", 1),
    ] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(database.number(&sql).await, rows);
    }
    let page = store.messages(id_of("s"), None, 900).await.unwrap();
    assert!(
        page.data
            .is_sorted_by_key(|row| (row.exchange.created_at, row.message.id))
    );
    let latest = store.messages(id_of("s"), None, 3).await.unwrap();
    assert!(latest.has_more);
    assert_eq!(latest.data, page.data[657..]);
}

pub(super) async fn a_batch_across_midnight_lies_in_two_days<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let midnight = NOON + 12 * HOUR;
    let batch = [exchange("s", midnight - 1), exchange("s", midnight)];
    store.write(&batch).await.unwrap();
    for day in ["15", "16"] {
        let sql = format!("SELECT count(*) FROM conversation_histories_2025_01_{day}");
        assert_eq!(database.number(&sql).await, 2);
    }
    let page = store.messages(id_of("s"), None, 10).await.unwrap();
    assert_eq!(page.data.len(), 4);
    let days = "SELECT count(*) FROM conversations \
         WHERE first_day = '2025-01-15' AND last_day = '2025-01-16'";
    assert_eq!(database.number(days).await, 1);
    assert_eq!(find(&store, "s").await.updated_at, midnight);
}

pub(super) async fn a_missing_day_is_made_when_its_first_row_comes<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    for days in [-400, 900, -3, -4, -5, -6, -7] {
        let rows = exchange("s", NOON + days * DAY);
        store.write(&[rows]).await.unwrap();
    }
    store.write(&[failed("s", NOON + 90 * DAY)]).await.unwrap();
    let dropped = "DROP TABLE conversation_histories_2025_01_15";
    database.execute(dropped).await;
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let page = store.messages(id_of("s"), None, 100).await.unwrap();
    assert_eq!(page.data.len(), 16);
    let rows = "SELECT count(*) FROM conversation_histories";
    assert_eq!(database.number(rows).await, 16);
}

pub(super) async fn a_title_is_kept_once_it_is_known<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let mut rows = exchange("s", NOON);
    rows.conversation.title = None;
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    rows.conversation.title = Some("first".to_owned());
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    rows.conversation.title = Some("second".to_owned());
    let other = database.store();
    other.write(std::slice::from_ref(&rows)).await.unwrap();
    assert_eq!(find(&store, "s").await.title.as_deref(), Some("first"));
}

pub(super) async fn an_earlier_row_widens_a_conversation_to_its_day<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    for days in [0, -1, 1] {
        let rows = exchange("s", NOON + days * DAY);
        store.write(&[rows]).await.unwrap();
    }
    assert_eq!(count_of(&store, "s").await, 6);
}

pub(super) async fn a_rejected_exchange_is_kept_aside_within_bounds<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let mut rows = full(NOON);
    rows.messages[1].content = "\0".repeat(2 << 20);
    store.reject(&rows, "too \0 big").await.unwrap();
    store.reject(&rows, "too big").await.unwrap();
    let kept = format!(
        "SELECT count(*) FROM recording_rejects WHERE octet_length(payload) < 1048577 AND {}",
        D::HOLDS_JSON
    );
    assert_eq!(database.number(&kept).await, 1);
}

pub(super) async fn a_row_that_the_schema_refuses_is_no_transient_error<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    database.execute(D::REFUSE_HUNTER2).await;
    let mut rows = exchange("s", NOON);
    rows.messages[0].content = "hunter2".to_owned();
    let batch = [exchange("t", NOON), rows];
    let error = store.write(&batch).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let conversations = "SELECT count(*) FROM conversations";
    assert_eq!(database.number(conversations).await, 0);
    store.write(&batch[..1]).await.unwrap();
    assert_eq!(database.number(conversations).await, 1);
}

pub(super) async fn text_compares_bytes_and_keeps_its_spaces<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let names = [
        "s",
        "S",
        "s ",
        "s\t",
        "\u{e9}",
        "e\u{301}",
        "\u{1F980}",
        "\u{1F981}",
        "",
    ];
    for (at, name) in (0..).zip(names) {
        let mut rows = exchange_of(name, name, NOON + at);
        rows.messages[0].content = format!("{name} ");
        rows.exchange.model_name = Some(name.to_owned());
        store.write(&[rows]).await.unwrap();
    }
    store.maintain(NOON + DAY).await.unwrap();
    for name in names {
        let named = store.conversations_named("", name).await.unwrap();
        let found: Vec<&str> = named.iter().map(|row| row.session_id.as_str()).collect();
        assert_eq!(found, [name]);
        let page = store.messages(named[0].id, None, 5).await.unwrap();
        assert_eq!(page.data[0].message.content, format!("{name} "));
        let mine = store.conversations_of_user("", name, None, 0, 5);
        assert_eq!(mine.await.unwrap().data.len(), 1, "{name:?}");
    }
    let usage = "SELECT count(*) FROM usage_daily";
    assert_eq!(database.number(usage).await, 9);
}

pub(super) async fn names_of_255_bytes_and_texts_of_a_megabyte_fit_everywhere<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    for name in ["n".repeat(255), "\u{1F980}".repeat(63)] {
        let mut rows = exchange_of(&name, &name, NOON);
        rows.exchange.model_name = Some(name.clone());
        rows.exchange.ip = Some(name.clone());
        rows.conversation.title = Some(name.clone());
        rows.messages[0].role = Role::Other(name.clone());
        rows.messages[0].content = "x".repeat(1 << 20);
        rows.messages[1].other = Some("\u{10FFFF}".repeat(1 << 18));
        store.write(std::slice::from_ref(&rows)).await.unwrap();
        let page = store.messages(rows.conversation.id, None, 5).await.unwrap();
        let read: Vec<_> = page.data.into_iter().map(|row| row.message).collect();
        assert_eq!(read, rows.messages);
    }
    store.maintain(NOON + DAY).await.unwrap();
    let messages = "SELECT sum(messages) FROM usage_daily";
    assert_eq!(database.number(messages).await, 4);
}
