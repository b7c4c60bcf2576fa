use std::sync::Arc;

use super::*;

fn full(at: UnixMillis) -> ExchangeRows {
    let mut rows = exchange("full", at);
    let text = || Some("\u{1F980} \u{10FFFF} ' \" ? $1 {,\\} \r\n".repeat(3));
    let exchange = &mut rows.exchange;
    exchange.tenant = "ten'ant".to_owned();
    rows.conversation.tenant = exchange.tenant.clone();
    exchange.token_id = text();
    exchange.channel_id = text();
    exchange.request_model = text();
    exchange.model_name = text();
    exchange.provider = text();
    exchange.status = Some(i64::MIN);
    exchange.is_stream = true;
    exchange.outcome = Outcome::ErrorInStream;
    exchange.truncated = Truncated::Budget;
    exchange.first_token_ms = Some(0);
    exchange.latency_ms = Some(i64::MAX);
    exchange.ip = text();
    exchange.trace_id = text();
    exchange.tags = Some("{\"a\":\"\\u0000\"}".to_owned());
    let usage = Usage {
        prompt_tokens: Some(i64::MAX),
        completion_tokens: Some(1),
        total_tokens: Some(2),
        cached_tokens: Some(3),
        cache_write_tokens: Some(4),
        reasoning_tokens: Some(5),
        raw: Some("{\"z\":1,\"a\":2}".to_owned()),
    };
    let exchange_id = exchange.exchange_id;
    let message = &mut rows.messages[1];
    message.parent_id = Some(exchange_id.row(1));
    message.chain_hash = Some([0; 16]);
    message.message_id = text();
    message.role = Role::Other("critic".to_owned());
    message.choice_index = 7;
    message.usage = usage.clone();
    message.token_count = Some(-1);
    message.finish_reason = text();
    message.prompt_hash = Some([255; 16]);
    message.updated_at = -1;
    message.content = "四🦀␛00".repeat(150_000);
    message.other = Some("{}".to_owned());
    rows.messages[0].content = String::new();
    let mut error = failed("full", at).error.unwrap();
    error.id = exchange_id.row(3);
    error.parent_id = Some(exchange_id.row(2));
    error.message_id = text();
    error.role = Role::Developer;
    error.error_code = 529;
    error.usage = usage;
    error.other = text();
    rows.error = Some(error);
    rows
}

async fn assert_round_trip(store: &PostgresStore) {
    for rows in [full(NOON), exchange("plain", NOON), failed("failed", NOON)] {
        store.write(std::slice::from_ref(&rows)).await.unwrap();
        let id = rows.conversation.id;
        let messages = store.messages(id, None, 10).await.unwrap();
        assert!(!messages.has_more);
        let read = messages.data.iter().map(|row| row.message.clone());
        assert_eq!(read.collect::<Vec<_>>(), rows.messages);
        assert!(
            messages
                .data
                .iter()
                .all(|row| row.exchange == rows.exchange)
        );
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

#[tokio::test(flavor = "current_thread")]
async fn every_column_comes_back_as_it_was_written() {
    let database = Database::new().await;
    assert_round_trip(&database.store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_comes_back_from_a_single_table() {
    let database = Database::new().await;
    assert_round_trip(&database.single_table_store()).await;
}

#[tokio::test]
async fn one_connection_serves_writer_and_readers() {
    let database = Database::new().await;
    let options = StoreOptions {
        max_open_conns: 1,
        max_idle_conns: 0,
        max_lifetime: Some(std::time::Duration::ZERO),
        ..StoreOptions::default()
    };
    assert_round_trip(&store(&database.dsn(), &options)).await;
}

#[test]
fn a_store_outlives_the_runtime_that_used_it_first() {
    let begin = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = begin();
    let database = first.block_on(Database::new());
    let store = database.store();
    first.block_on(store.write(&[exchange("s", NOON)])).unwrap();
    drop(first);
    assert_eq!(begin().block_on(count_of(&store, "s")), 2);
}

#[tokio::test]
async fn the_same_batch_twice_stands_there_once() {
    let database = Database::new().await;
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
    let page = store
        .messages(batch[0].conversation.id, None, 900)
        .await
        .unwrap();
    assert!(
        page.data
            .is_sorted_by_key(|row| (row.exchange.created_at, row.message.id))
    );
    let latest = store
        .messages(batch[0].conversation.id, None, 3)
        .await
        .unwrap();
    assert!(latest.has_more);
    assert_eq!(latest.data, page.data[657..]);
}

#[tokio::test]
async fn a_batch_across_midnight_lies_in_two_days() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    let midnight = NOON + 12 * HOUR;
    let batch = [exchange("s", midnight - 1), exchange("s", midnight)];
    store.write(&batch).await.unwrap();
    for day in ["15", "16"] {
        let sql = format!("SELECT count(*) FROM conversation_histories_2025_01_{day}");
        assert_eq!(database.number(&sql).await, 2);
    }
    let page = store
        .messages(batch[0].conversation.id, None, 10)
        .await
        .unwrap();
    assert_eq!(page.data.len(), 4);
    let days = "SELECT count(*) FROM conversations \
         WHERE first_day = '2025-01-15' AND last_day = '2025-01-16'";
    assert_eq!(database.number(days).await, 1);
    let conversation = store.conversation(batch[0].conversation.id).await.unwrap();
    assert_eq!(conversation.unwrap().updated_at, midnight);
}

#[tokio::test]
async fn a_missing_day_is_made_when_its_first_row_comes() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    for days in [-400, 900, -3, -4, -5, -6, -7] {
        store
            .write(&[exchange("s", NOON + days * DAY)])
            .await
            .unwrap();
    }
    store.write(&[failed("s", NOON + 90 * DAY)]).await.unwrap();
    database
        .execute("DROP TABLE conversation_histories_2025_01_15")
        .await;
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let id = Id::conversation("", Some("alice"), "s");
    assert_eq!(store.messages(id, None, 100).await.unwrap().data.len(), 16);
}

#[tokio::test]
async fn a_day_that_was_detached_is_attached_again_with_its_rows() {
    let database = Database::new().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    database
        .execute(
            "ALTER TABLE conversation_histories DETACH PARTITION conversation_histories_2025_01_15",
        )
        .await;
    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 4);
}

#[tokio::test]
async fn a_title_is_kept_once_it_is_known() {
    let database = Database::new().await;
    let store = database.store();
    let mut rows = exchange("s", NOON);
    rows.conversation.title = None;
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    rows.conversation.title = Some("first".to_owned());
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    rows.conversation.title = Some("second".to_owned());
    let other = database.store();
    other.write(std::slice::from_ref(&rows)).await.unwrap();
    let conversation = store.conversation(rows.conversation.id).await.unwrap();
    assert_eq!(conversation.unwrap().title.as_deref(), Some("first"));
}

#[tokio::test]
async fn an_earlier_row_widens_a_conversation_to_its_day() {
    let database = Database::new().await;
    let store = database.store();
    for days in [0, -1, 1] {
        let rows = exchange("s", NOON + days * DAY);
        store.write(&[rows]).await.unwrap();
    }
    assert_eq!(count_of(&store, "s").await, 6);
}

/// Both write the same conversations, in orders of their own, and half of the rows are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_write_the_same_conversations_at_once() {
    let database = Database::new().await;
    database.store().prepare(NOON).await.unwrap();
    let batches: Vec<Vec<ExchangeRows>> = (0..20)
        .map(|batch| {
            let session = |number: i64| format!("s{}", (number * 7 + batch) % 40);
            let at = |number: i64| NOON + (batch * 100 + number) % 3 * DAY + batch * 100 + number;
            (0..60)
                .map(|number| exchange(&session(number), at(number)))
                .collect()
        })
        .collect();
    let batches = Arc::new(batches);
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, batches) = (database.store(), Arc::clone(&batches));
            tokio::spawn(async move {
                for number in 0..20 {
                    let batch = &batches[(number + writer * 3) % 20];
                    let mut batch = batch.clone();
                    if writer % 2 == 1 {
                        batch.reverse();
                    }
                    store.write(&batch).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = database.number("SELECT count(*) FROM conversation_histories");
    assert_eq!(rows.await, 20 * 60 * 2);
    let conversations = database.number("SELECT count(*) FROM conversations");
    assert_eq!(conversations.await, 40);
}

#[tokio::test]
async fn a_rejected_exchange_is_kept_aside_within_bounds() {
    let database = Database::new().await;
    let store = database.store();
    let mut rows = full(NOON);
    rows.messages[1].content = "\0".repeat(2 << 20);
    store.reject(&rows, "too \0 big").await.unwrap();
    store.reject(&rows, "too big").await.unwrap();
    let kept = "SELECT count(*) FROM recording_rejects \
         WHERE octet_length(payload) < 1048577 AND payload LIKE '{%}'";
    assert_eq!(database.number(kept).await, 1);
}

#[tokio::test]
async fn a_row_that_the_schema_refuses_is_no_transient_error() {
    let database = Database::new().await;
    let store = database.store();
    store.prepare(NOON).await.unwrap();
    database
        .execute(
            "ALTER TABLE conversation_histories ADD CONSTRAINT no_secrets \
             CHECK (content <> 'secret')",
        )
        .await;
    let mut rows = exchange("s", NOON);
    rows.messages[0].content = "secret".to_owned();
    let batch = [exchange("t", NOON), rows];
    let error = store.write(&batch).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!error.to_string().contains("secret "), "{error}");
    assert!(error.to_string().contains("no_secrets"), "{error}");
    assert_eq!(
        database.number("SELECT count(*) FROM conversations").await,
        0
    );
    store.write(&batch[..1]).await.unwrap();
}

#[tokio::test]
async fn text_that_postgres_cannot_hold_is_no_transient_error() {
    let database = Database::new().await;
    let store = database.store();
    let mut rows = exchange("s", NOON);
    rows.messages[0].content = "secret\0".to_owned();
    let error = store.write(&[rows]).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!error.to_string().contains("secret"), "{error}");
}
