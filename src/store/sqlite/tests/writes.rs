use std::sync::Arc;

use super::*;
use crate::store::StoreError;

fn full(at: UnixMillis) -> ExchangeRows {
    let mut rows = exchange("full", at);
    let text = || Some("\u{1F980} \u{10FFFF} ' \" ? \r\n".repeat(3));
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
    message.content = "四🦀".repeat(150_000);
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

async fn assert_round_trip(store: &SqliteStore) {
    for rows in [full(NOON), exchange("plain", NOON), failed("failed", NOON)] {
        store.write(std::slice::from_ref(&rows)).await.unwrap();
        let id = rows.conversation.id;
        let messages = store.messages(id, None, 10).await.unwrap();
        assert!(!messages.has_more);
        let read: Vec<_> = messages
            .data
            .iter()
            .map(|row| row.message.clone())
            .collect();
        assert_eq!(read, rows.messages);
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
    assert_round_trip(&File::new().store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_comes_back_from_a_single_table() {
    assert_round_trip(&File::new().single_table_store()).await;
}

#[tokio::test]
async fn memory_keeps_conversations_as_a_file_does() {
    let store = SqliteStore::new(Location::Memory, &StoreOptions::default());
    store.prepare(NOON).await.unwrap();
    assert_round_trip(&store).await;
    store.maintain(NOON + 3 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "plain").await, 2);
}

#[tokio::test]
async fn one_connection_serves_writer_and_readers() {
    let file = File::new();
    let options = StoreOptions {
        max_open_conns: 1,
        max_idle_conns: 0,
        max_lifetime: Some(std::time::Duration::ZERO),
        ..StoreOptions::default()
    };
    assert_round_trip(&SqliteStore::new(file.location(), &options)).await;
}

#[tokio::test]
async fn the_same_batch_twice_stands_there_once() {
    let file = File::new();
    let batch: Vec<ExchangeRows> = (0..130)
        .map(|number| exchange("s", NOON + number))
        .chain([failed("s", NOON)])
        .collect();
    file.store().write(&batch).await.unwrap();
    let store = file.store();
    store.write(&batch).await.unwrap();
    store.write(&batch).await.unwrap();
    assert_eq!(
        file.number("SELECT count(*) FROM conversation_histories"),
        260
    );
    assert_eq!(
        file.number("SELECT count(*) FROM error_conversation_histories"),
        1
    );
    assert_eq!(file.number("SELECT count(*) FROM conversations"), 1);
    let page = store
        .messages(batch[0].conversation.id, None, 500)
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
    assert_eq!(latest.data, page.data[257..]);
}

#[tokio::test]
async fn a_batch_across_midnight_lies_in_two_days() {
    let file = File::new();
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    let midnight = NOON + 12 * HOUR;
    let batch = [exchange("s", midnight - 1), exchange("s", midnight)];
    store.write(&batch).await.unwrap();
    for table in [
        "conversation_histories_2025_01_15",
        "conversation_histories_2025_01_16",
    ] {
        assert_eq!(file.number(&format!("SELECT count(*) FROM {table}")), 2);
    }
    let page = store
        .messages(batch[0].conversation.id, None, 10)
        .await
        .unwrap();
    assert_eq!(page.data.len(), 4);
    assert_eq!(
        file.number(
            "SELECT first_day = '2025-01-15' AND last_day = '2025-01-16' FROM conversations"
        ),
        1
    );
    let conversation = store.conversation(batch[0].conversation.id).await.unwrap();
    assert_eq!(conversation.unwrap().updated_at, midnight);
}

#[tokio::test]
async fn a_missing_day_is_made_when_its_first_row_comes() {
    let file = File::new();
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    for days in [-400, 900, -3, -4, -5, -6, -7] {
        store
            .write(&[exchange("s", NOON + days * DAY)])
            .await
            .unwrap();
    }
    file.execute("DROP TABLE conversation_histories_2025_01_15");
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let page = store
        .messages(Id::conversation("", Some("alice"), "s"), None, 100)
        .await
        .unwrap();
    assert_eq!(page.data.len(), 16);
    assert_eq!(
        file.number("SELECT count(*) FROM conversation_histories"),
        16
    );
}

#[tokio::test]
async fn a_title_is_kept_once_it_is_known() {
    let file = File::new();
    let store = file.store();
    let mut rows = exchange("s", NOON);
    rows.conversation.title = None;
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    rows.conversation.title = Some("first".to_owned());
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    rows.conversation.title = Some("second".to_owned());
    file.store()
        .write(std::slice::from_ref(&rows))
        .await
        .unwrap();
    let conversation = store.conversation(rows.conversation.id).await.unwrap();
    assert_eq!(conversation.unwrap().title.as_deref(), Some("first"));
}

#[tokio::test]
async fn an_earlier_row_widens_a_conversation_to_its_day() {
    let file = File::new();
    let store = file.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    store.write(&[exchange("s", NOON - DAY)]).await.unwrap();
    store.write(&[exchange("s", NOON + DAY)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_write_one_file_at_once() {
    let file = File::new();
    let mut writers = Vec::new();
    for process in 0..2 {
        let store = Arc::new(file.store());
        for task in 0..2 {
            let store = Arc::clone(&store);
            writers.push(tokio::spawn(async move {
                for number in 0..50 {
                    let session = format!("s{process}{task}{}", number % 5);
                    let rows = exchange(&session, NOON + number);
                    store.write(std::slice::from_ref(&rows)).await.unwrap();
                    store.messages(rows.conversation.id, None, 5).await.unwrap();
                }
            }));
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(
        file.number("SELECT count(*) FROM conversation_histories"),
        400
    );
}

#[tokio::test]
async fn a_rejected_exchange_is_kept_aside_within_bounds() {
    let file = File::new();
    let store = file.store();
    let mut rows = full(NOON);
    rows.messages[1].content = "\0".repeat(2 << 20);
    store.reject(&rows, "too big").await.unwrap();
    store.reject(&rows, "too big").await.unwrap();
    assert_eq!(file.number("SELECT count(*) FROM recording_rejects"), 1);
    assert_eq!(
        file.number(
            "SELECT length(payload) < 1048577 AND json_valid(payload) FROM recording_rejects"
        ),
        1
    );
}

#[tokio::test]
async fn what_an_operator_can_mend_is_transient() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let text = path("text.db");
    std::fs::write(&text, "no database at all, ".repeat(100)).unwrap();
    let locations = [
        path("missing/conversations.db"),
        directory.path().to_str().unwrap().to_owned(),
        text,
    ];
    for location in locations {
        let store = SqliteStore::new(Location::File(location), &StoreOptions::default());
        let error = store.prepare(NOON).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let read = store
            .messages(exchange("s", NOON).conversation.id, None, 1)
            .await;
        assert!(read.unwrap_err().is_transient());
    }
}

#[tokio::test]
async fn a_read_only_file_is_a_transient_error() {
    let file = File::new();
    file.store().prepare(NOON).await.unwrap();
    file.execute("PRAGMA journal_mode = DELETE");
    let path = file.path();
    let uri = format!("file:{}?mode=ro", path.to_str().unwrap());
    let store = SqliteStore::new(Location::File(uri), &StoreOptions::default());
    let error = store.write(&[exchange("s", NOON)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_row_that_the_schema_refuses_is_no_transient_error() {
    let file = File::new();
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    file.execute(
        "CREATE TRIGGER no_secrets BEFORE INSERT ON conversation_histories_2025_01_15 \
         WHEN NEW.content = 'secret' BEGIN SELECT RAISE(ABORT, 'constraint failed'); END",
    );
    let mut rows = exchange("s", NOON);
    rows.messages[0].content = "secret".to_owned();
    let error = store.write(&[exchange("t", NOON), rows]).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(file.number("SELECT count(*) FROM conversations"), 0);
}
