//! Dropping days: cut off, hindered, or not allowed.

use mysql_async::{Conn, prelude::Queryable};

use super::*;
use crate::store::{MessageColumns, tests::truth::talk};

fn keeping_two_days() -> StoreOptions {
    StoreOptions {
        retention_days: Some(1),
        ..StoreOptions::default()
    }
}

const LEFT: &str = "SELECT (SELECT count(*) FROM recording_meta WHERE `key` = 'partition_drop') \
     + (SELECT count(*) FROM conversations WHERE last_day < '2025-01-14') \
     + (SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() \
     AND table_name REGEXP 'conversation_histories_2025_01_(0.|1[0-3])')";

#[tokio::test]
async fn what_a_crash_left_of_dropped_days_is_swept_away_by_the_next_call() {
    for daily in [true, false] {
        let database = Database::new().await;
        let store = database.store_in(daily);
        let rows = talk(40, -5..1, 60);
        store.write(&rows).await.unwrap();
        store.maintain(NOON + HOUR).await.unwrap();
        // As far as the transaction in which days are dropped.
        for sql in [
            "DELETE FROM recording_days WHERE day < '2025-01-14'",
            "INSERT INTO recording_meta VALUES ('partition_drop', '2025-01-14')",
        ] {
            database.execute(sql).await;
        }
        // A day that is made anew, by what was begun before, is not swept away with it.
        let late = talk(41, -3..-2, 5);
        store.write(&late).await.unwrap();
        store.maintain(NOON + HOUR).await.unwrap();
        for rows in &late {
            let page = store.messages(rows.conversation.id, None, 1000);
            let page = page.await.unwrap().data;
            let is_there =
                |message: &MessageColumns| page.iter().any(|row| row.message == *message);
            assert!(rows.messages.iter().all(is_there));
        }
        database
            .store_with(&StoreOptions {
                daily_partition: daily,
                ..keeping_two_days()
            })
            .maintain(NOON + HOUR)
            .await
            .unwrap();
        assert_eq!(database.number(LEFT).await, 0);
        let kept = rows
            .iter()
            .filter(|rows| rows.exchange.created_at >= NOON - DAY);
        let rows: usize = kept.map(|rows| rows.messages.len()).sum();
        let stored = "SELECT count(*) FROM conversation_histories";
        assert_eq!(database.number(stored).await, rows as i64);
    }
}

#[tokio::test]
async fn a_long_query_on_an_old_day_puts_its_dropping_off_and_nothing_else() {
    let database = Database::new().await;
    let store = database.store_with(&keeping_two_days());
    let batch: Vec<ExchangeRows> = (0..4).map(|day| exchange("s", NOON - day * DAY)).collect();
    store.write(&batch).await.unwrap();
    let mut reader = Conn::from_url(database.dsn()).await.unwrap();
    reader.query_drop("START TRANSACTION").await.unwrap();
    reader
        .query_drop("SELECT * FROM conversation_histories_2025_01_12 LIMIT 1")
        .await
        .unwrap();
    let error = store.maintain(NOON).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(
        error
            .to_string()
            .contains("another transaction was in the way"),
        "{error}"
    );
    assert_eq!(count_of(&store, "s").await, 4);
    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    store
        .create_table_if_not_exists(NOON + 9 * DAY)
        .await
        .unwrap();
    reader.query_drop("COMMIT").await.unwrap();
    store.maintain(NOON).await.unwrap();
    assert_eq!(database.number(LEFT).await, 0);
    assert_eq!(count_of(&store, "s").await, 6);
}

#[tokio::test]
async fn days_that_nobody_may_drop_stay_and_the_right_is_named() {
    let database = Database::new().await;
    let dsn = database.dsn();
    let (server, name) = dsn.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    database
        .store()
        .write(&[exchange("s", NOON)])
        .await
        .unwrap();
    let grant = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, CREATE VIEW \
         ON {name}.* TO '{name}'@'%' IDENTIFIED BY 'hunter2'"
    );
    database.execute(&grant).await;
    let store = store(
        &format!("mysql://{name}:hunter2@{host}/{name}"),
        &keeping_two_days(),
    );
    store.prepare(NOON).await.unwrap();
    let error = store.maintain(NOON + 5 * DAY).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the right CREATE TEMPORARY TABLES (error 1044)"),
        "{error}"
    );
    let grant = format!("GRANT CREATE TEMPORARY TABLES ON {name}.* TO '{name}'@'%'");
    database.execute(&grant).await;
    for result in [
        store.maintain(NOON + 5 * DAY).await,
        store.set_daily_partition(false).await,
    ] {
        let error = result.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(
            error
                .to_string()
                .contains("lacks the right DROP (error 1142)"),
            "{error}"
        );
        assert_eq!(count_of(&store, "s").await, 2);
    }
    store.write(&[exchange("s", NOON + 5 * DAY)]).await.unwrap();
    let granted = format!("GRANT DROP ON {name}.* TO '{name}'@'%'");
    database.execute(&granted).await;
    store.set_daily_partition(false).await.unwrap();
    store.maintain(NOON + 5 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
    assert_eq!(database.number(LEFT).await, 0);
    database.execute(&format!("DROP USER '{name}'@'%'")).await;
}
