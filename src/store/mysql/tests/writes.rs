use super::*;

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

pub(super) async fn assert_round_trip(store: &MysqlStore) {
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
    let place = Place::new().await;
    assert_round_trip(&place.store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_comes_back_from_a_single_table() {
    let place = Place::new().await;
    assert_round_trip(&place.single_table_store()).await;
}

#[tokio::test]
async fn the_same_batch_twice_stands_there_once() {
    let file = Place::new().await;
    let batch: Vec<ExchangeRows> = (0..130)
        .map(|number| exchange("s", NOON + number))
        .chain([failed("s", NOON)])
        .collect();
    file.store().write(&batch).await.unwrap();
    let store = file.store();
    store.write(&batch).await.unwrap();
    store.write(&batch).await.unwrap();
    assert_eq!(
        file.number("SELECT count(*) FROM conversation_histories")
            .await,
        260
    );
    assert_eq!(
        file.number("SELECT count(*) FROM error_conversation_histories")
            .await,
        1
    );
    assert_eq!(file.number("SELECT count(*) FROM conversations").await, 1);
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
    let file = Place::new().await;
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    let midnight = NOON + 12 * HOUR;
    let batch = [exchange("s", midnight - 1), exchange("s", midnight)];
    store.write(&batch).await.unwrap();
    for table in [
        "conversation_histories_2025_01_15",
        "conversation_histories_2025_01_16",
    ] {
        assert_eq!(
            file.number(&format!("SELECT count(*) FROM {table}")).await,
            2
        );
    }
    let page = store
        .messages(batch[0].conversation.id, None, 10)
        .await
        .unwrap();
    assert_eq!(page.data.len(), 4);
    assert_eq!(
        file.number(
            "SELECT first_day = '2025-01-15' AND last_day = '2025-01-16' FROM conversations"
        )
        .await,
        1
    );
    let conversation = store.conversation(batch[0].conversation.id).await.unwrap();
    assert_eq!(conversation.unwrap().updated_at, midnight);
}

#[tokio::test]
async fn a_missing_day_is_made_when_its_first_row_comes() {
    let file = Place::new().await;
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    for days in [-400, 900, -3, -4, -5, -6, -7] {
        store
            .write(&[exchange("s", NOON + days * DAY)])
            .await
            .unwrap();
    }
    file.execute("DROP TABLE conversation_histories_2025_01_15")
        .await;
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let page = store
        .messages(Id::conversation("", Some("alice"), "s"), None, 100)
        .await
        .unwrap();
    assert_eq!(page.data.len(), 16);
    assert_eq!(
        file.number("SELECT count(*) FROM conversation_histories")
            .await,
        16
    );
}

#[tokio::test]
async fn a_title_is_kept_once_it_is_known() {
    let file = Place::new().await;
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
    let file = Place::new().await;
    let store = file.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    store.write(&[exchange("s", NOON - DAY)]).await.unwrap();
    store.write(&[exchange("s", NOON + DAY)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 6);
}

#[tokio::test]
async fn a_rejected_exchange_is_kept_aside_within_bounds() {
    let file = Place::new().await;
    let store = file.store();
    let mut rows = full(NOON);
    rows.messages[1].content = "\0".repeat(2 << 20);
    store.reject(&rows, "too big").await.unwrap();
    store.reject(&rows, "too big").await.unwrap();
    assert_eq!(
        file.number("SELECT count(*) FROM recording_rejects").await,
        1
    );
    assert_eq!(
        file.number(
            "SELECT length(payload) < 1048577 AND json_valid(payload) FROM recording_rejects"
        )
        .await,
        1
    );
}

#[tokio::test]
async fn a_row_that_the_schema_refuses_is_no_transient_error() {
    let file = Place::new().await;
    let store = file.store();
    store.prepare(NOON).await.unwrap();
    file.execute(
        "CREATE TRIGGER no_secrets BEFORE INSERT ON conversation_histories_2025_01_15 FOR EACH ROW \
         IF NEW.content = 'secret' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'secret'; END IF",
    ).await;
    let mut rows = exchange("s", NOON);
    rows.messages[0].content = "secret".to_owned();
    let error = store.write(&[exchange("t", NOON), rows]).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(file.number("SELECT count(*) FROM conversations").await, 0);
}

#[tokio::test]
async fn text_compares_bytes_and_keeps_its_spaces() {
    let place = Place::new().await;
    let store = place.store();
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
        let mine = store
            .conversations_of_user("", name, None, 0, 5)
            .await
            .unwrap();
        assert_eq!(mine.data.len(), 1, "{name:?}");
    }
    assert_eq!(place.number("SELECT count(*) FROM usage_daily").await, 9);
}

#[tokio::test]
async fn names_of_255_bytes_and_texts_of_a_megabyte_fit_everywhere() {
    let place = Place::new().await;
    let store = place.store();
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
    assert_eq!(
        place.number("SELECT sum(messages) FROM usage_daily").await,
        4
    );
}
