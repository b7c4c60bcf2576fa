//! What the server has to read and to keep, whatever else is stored.

use super::*;
use crate::{
    partition::Day,
    store::{Place, Recall, mysql::MysqlStore},
};

/// Rows that the server has read until now.
const READ: &str = "SELECT SUM(variable_value) FROM information_schema.global_status \
     WHERE variable_name LIKE 'Handler_read%'";

/// Alice's: 3,000 conversations, one a day; on one day, 2,000 of 10 messages each and one of 20,000.
async fn busy(server: &Server) -> (Database, MysqlStore) {
    let database = Database::on(&server.dsn()).await;
    let options = StoreOptions {
        max_open_conns: 1,
        ..StoreOptions::default()
    };
    let store = store(&database.dsn(), &options);
    store.write(&[exchange_of("bob", "s", NOON)]).await.unwrap();
    let conversation = "INSERT INTO conversations (id, tenant, session_id, user_identifier, \
         session_source, created_at, first_day, last_day, newest_at) SELECT";
    let message = "INSERT INTO conversation_histories_2025_01_15 (conversation_id, created_at, id, \
         exchange_id, chain_hash, tenant, user_id, role, choice_index, is_stream, outcome, \
         truncated, updated_at, content) SELECT";
    let rest = "'', 'alice', 'user', 0, 0, 'complete', '0', '2025-01-15', 'x'";
    for sql in [
        format!(
            "{conversation} UNHEX(MD5(CONCAT('old', seq))), '', seq, 'alice', 'x', '2015-01-01', \
             '2015-01-01' + INTERVAL seq DAY, '2015-01-01' + INTERVAL seq DAY, \
             '2015-01-01' + INTERVAL seq * 24 + 12 HOUR FROM seq_1_to_3000"
        ),
        format!(
            "{conversation} UNHEX(MD5(seq)), '', seq, 'alice', 'x', '2025-01-15', '2025-01-15', \
             '2025-01-15', NULL FROM seq_0_to_2000"
        ),
        format!(
            "{message} UNHEX(MD5(seq DIV 10)), '2025-01-15 12:00', UNHEX(MD5(CONCAT('id', seq))), \
             UNHEX(MD5(seq)), UNHEX(MD5(CONCAT('hash', seq))), {rest} FROM seq_0_to_19999"
        ),
        format!(
            "{message} UNHEX(MD5(2000)), '2025-01-15' + INTERVAL seq SECOND, \
             UNHEX(CONCAT(LPAD(HEX((1736899200 + seq) * 1000), 12, '0'), '70000000000000000000')), \
             UNHEX(MD5(seq)), UNHEX(MD5(CONCAT('long', seq))), \
             {rest} FROM seq_0_to_19999"
        ),
        "INSERT INTO usage_daily SELECT '', 'alice', '2015-01-01' + INTERVAL seq DAY, 'gpt', 1, 1, \
         0, 1, 1, 1, 0, 0, 0 FROM seq_1_to_3000"
            .to_owned(),
        "ANALYZE TABLE conversations, conversation_histories_2025_01_15, usage_daily".to_owned(),
    ] {
        database.execute(&sql).await;
    }
    (database, store)
}

/// What the server read for this.
async fn reads<T>(database: &Database, work: impl Future<Output = T>) -> (i64, T) {
    let before = database.number(READ).await;
    let own = database.number(READ).await - before;
    let before = database.number(READ).await;
    let done = work.await;
    (database.number(READ).await - before - own, done)
}

#[tokio::test]
async fn a_page_costs_the_same_wherever_it_lies() {
    let server = Server::start(&[]);
    let (database, store) = busy(&server).await;
    let list =
        |after, offset, limit| store.conversations_of_user("", "alice", after, offset, limit);
    let depths = [2001, 2500, 4900].map(|offset| list(None, offset, 1));
    let mut costs = Vec::new();
    for depth in depths {
        let place = Place::of(&depth.await.unwrap().data[0]);
        let (cost, page) = reads(&database, list(Some(place), 0, 20)).await;
        assert_eq!(page.unwrap().data.len(), 20);
        costs.push(cost);
    }
    assert!(costs.iter().all(|cost| *cost < 250), "{costs:?}");
    let (cost, _) = reads(&database, list(None, 4900, 20)).await;
    assert!(cost > 4900, "{cost}");

    let long = store.conversations_named("", "2000").await.unwrap();
    let long = long
        .iter()
        .find(|row| row.message_count > 10_000)
        .unwrap()
        .id;
    let mut before = None;
    for _ in 0..3 {
        let (cost, page) = reads(&database, store.messages(long, before, 50)).await;
        let page = page.unwrap();
        assert_eq!(page.data.len(), 50);
        assert!(cost < 200, "{cost}");
        let first = page.data[0].message.id;
        before = Some(first);
    }
}

#[tokio::test]
async fn sums_and_recalls_read_what_they_answer_with() {
    let server = Server::start(&[]);
    let (database, store) = busy(&server).await;
    let week = NOON - 7 * DAY;
    let (cost, stats) = reads(&database, store.stats("", "bob", week, NOON)).await;
    assert_eq!(stats.unwrap().total_messages, 2);
    assert!(cost < 100, "{cost}");

    let id = |text: &str| {
        let hex = format!("SELECT CONV(LEFT(MD5('{text}'), 15), 16, 10)");
        let low = format!("SELECT CONV(RIGHT(MD5('{text}'), 15), 16, 10)");
        let middle = format!("SELECT CONV(SUBSTR(MD5('{text}'), 16, 2), 16, 10)");
        let database = &database;
        async move {
            let mut bits = database.number(&hex).await as u128;
            bits = bits << 8 | database.number(&middle).await as u128;
            bits = bits << 60 | database.number(&low).await as u128;
            bits.to_be_bytes()
        }
    };
    let mut wanted = Recall {
        responses: Vec::new(),
        since: week,
        ..Recall::default()
    };
    for conversation in ["2000", "7"] {
        wanted
            .conversations
            .push(Id::from_bytes(id(conversation).await));
    }
    for hash in ["hash19999", "long5", "unknown"] {
        wanted.hashes.push(id(hash).await);
    }
    let (cost, recalled) = reads(&database, store.recall(&wanted)).await;
    let recalled = recalled.unwrap();
    assert_eq!(recalled.messages.len(), 2);
    assert!(recalled.heads.iter().all(|head| head.message.is_some()));
    assert!(cost < 100, "{cost}");
}

#[tokio::test]
async fn what_everybody_begins_with_hides_no_other_message() {
    let database = Database::new().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..1500)
        .map(|number| {
            let mut rows = exchange(&format!("s{number}"), NOON + number);
            rows.messages[0].chain_hash = Some([1; 16]);
            rows.messages[1].chain_hash = Some((number as u128 + 1000).to_be_bytes());
            rows
        })
        .collect();
    store.write(&batch).await.unwrap();
    let mut wanted = Recall::default();
    wanted.hashes.push([1; 16]);
    for number in [0, 700, 1499u128] {
        wanted.hashes.push((number + 1000).to_be_bytes());
    }
    let found = store.recall(&wanted).await.unwrap().messages;
    for hash in wanted.hashes {
        assert!(found.iter().any(|message| message.chain_hash == hash));
    }
    assert!(found.len() <= 1003);
}

#[tokio::test]
async fn rows_with_and_without_a_value_share_their_statements() {
    let server = Server::start(&[]);
    let database = Database::on(&server.dsn()).await;
    let options = StoreOptions {
        max_open_conns: 1,
        ..StoreOptions::default()
    };
    let store = store(&database.dsn(), &options);
    let prepared = "SELECT variable_value FROM information_schema.global_status \
         WHERE variable_name = 'Prepared_stmt_count'";
    let batch = |number: i64| -> Vec<ExchangeRows> {
        let exchanges = (0..3).map(|bit| {
            let mut rows = full(NOON + number * 3 + bit);
            rows.conversation = exchange(&format!("s{number}{bit}"), NOON).conversation;
            rows.exchange.conversation_id = rows.conversation.id;
            if number >> bit & 1 == 0 {
                rows.conversation.parent_conversation_id = Some(rows.conversation.id);
                rows.conversation.sends_history = true;
            } else {
                rows.conversation.title = None;
                rows.exchange.trace_id = None;
                rows.exchange.status = None;
                for message in &mut rows.messages {
                    message.chain_hash = None;
                    message.usage = Default::default();
                }
            }
            rows
        });
        exchanges.collect()
    };
    store.write(&batch(0)).await.unwrap();
    let first = database.number(prepared).await;
    for number in 1..8 {
        store.write(&batch(number)).await.unwrap();
        assert_eq!(database.number(prepared).await, first, "{number}");
    }
}

/// Anybody may name any day, and a connection would keep a statement for each.
#[tokio::test]
async fn a_connection_keeps_no_statement_for_each_day_that_is_named() {
    let server = Server::start(&[]);
    let database = Database::on(&server.dsn()).await;
    let options = StoreOptions {
        max_open_conns: 1,
        ..StoreOptions::default()
    };
    let store = store(&database.dsn(), &options);
    let batch: Vec<ExchangeRows> = (0..40).map(|day| exchange("s", NOON - day * DAY)).collect();
    store.write(&batch).await.unwrap();
    let asked = async |days: std::ops::Range<i64>| {
        for day in days {
            let at = NOON - day * DAY;
            let after = Some(Place {
                last_day: Day::from_unix_ms(at),
                updated_at: at,
                id: Id::default(),
            });
            let listed = store.conversations_of_user("", "alice", after, 1, 2);
            listed.await.unwrap();
            store.stats("", "alice", at, at).await.unwrap();
            let before = Some(batch[day as usize].messages[0].id);
            let page = store.messages(batch[0].conversation.id, before, 2);
            page.await.unwrap();
        }
        let prepared = "SELECT variable_value FROM information_schema.global_status \
             WHERE variable_name = 'Prepared_stmt_count'";
        database.number(prepared).await
    };
    let few = asked(0..3).await;
    assert!(asked(3..40).await <= few);
}

#[tokio::test]
async fn a_page_of_many_days_takes_few_statements() {
    let server = Server::start(&[]);
    let database = Database::on(&server.dsn()).await;
    let store = database.store();
    let mut batch: Vec<ExchangeRows> = (0..90)
        .map(|hours| exchange("s", NOON - 30 * DAY + hours * 8 * HOUR))
        .collect();
    batch.push(failed("s", NOON - 29 * DAY));
    store.write(&batch).await.unwrap();
    for _ in 0..5 {
        store.maintain(NOON + 2 * DAY).await.unwrap();
    }
    let asked = "SELECT variable_value FROM information_schema.global_status \
         WHERE variable_name = 'Com_stmt_execute'";
    let id = batch[0].conversation.id;
    store.messages(id, None, 50).await.unwrap();
    let before = database.number(asked).await;
    let page = store.messages(id, None, 50).await.unwrap();
    assert_eq!((page.data.len(), page.has_more), (50, true));
    // What is so, the conversation, its days and the rows.
    assert_eq!(database.number(asked).await - before, 4);
    let before = database.number(asked).await;
    assert_eq!(store.errors(id, None, 50).await.unwrap().data.len(), 1);
    assert_eq!(database.number(asked).await - before, 4);
}
