//! The schema from version to version, and days that are closed while others delete.

use mysql_async::{Conn, Error, prelude::Queryable};

use super::*;
use crate::{partition::Day, store::mysql::delete::count_again};

const TABLES: &str = "SELECT count(*) FROM information_schema.tables \
     WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' \
     AND table_name NOT LIKE '%histories%'";
const NEWEST: &str = "20261126000000";

async fn take_back_newest_at(database: &Database) {
    const DOWN: &str =
        include_str!("../../../../migrations/mysql/2026-11-26-000000_newest_rows/down.sql");
    for statement in DOWN.trim().split_inclusive(";\n") {
        database.execute(statement).await;
    }
    let forget = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{NEWEST}'");
    database.execute(&forget).await;
}

#[tokio::test]
async fn a_database_from_before_newest_at_is_read_and_brought_up_to_date() {
    for daily in [true, false] {
        let database = Database::new().await;
        let older = database.store_in(daily);
        older.write(&[exchange("s", NOON)]).await.unwrap();
        older.maintain(NOON + 2 * DAY).await.unwrap();
        take_back_newest_at(&database).await;

        let store = database.store();
        store.write(&[exchange("t", NOON + 1)]).await.unwrap();
        let known = "SELECT count(*) FROM conversations WHERE newest_at IS NOT NULL";
        for closed in [0, 2] {
            let page = store.conversations_of_user("", "alice", None, 0, 5);
            let page = page.await.unwrap().data;
            let listed: Vec<_> = page
                .iter()
                .map(|row| (row.session_id.as_str(), row.updated_at, row.message_count))
                .collect();
            assert_eq!(listed, [("t", NOON + 1, 2), ("s", NOON, 2)]);
            assert_eq!(database.number(known).await, closed);
            store.maintain(NOON + 2 * DAY).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_done_again() {
    let undone = [
        "DO 0",
        "ALTER TABLE conversations DROP COLUMN newest_at",
        "DROP INDEX recording_days_uncounted ON recording_days",
    ];
    for undone in undone {
        let database = Database::new().await;
        let store = database.store();
        store.write(&[exchange("s", NOON)]).await.unwrap();
        for sql in [
            undone,
            &format!("DELETE FROM __diesel_schema_migrations WHERE version = '{NEWEST}'"),
        ] {
            database.execute(sql).await;
        }
        let store = database.store();
        store.maintain(NOON + 2 * DAY).await.unwrap();
        let known = "SELECT count(*) FROM conversations WHERE newest_at IS NOT NULL";
        assert_eq!(database.number(known).await, 1, "{undone}");
        let led = "SELECT count(*) FROM information_schema.statistics \
             WHERE table_schema = DATABASE() AND index_name = 'recording_days_uncounted'";
        assert_eq!(database.number(led).await, 2, "{undone}");
    }
}

#[tokio::test]
async fn the_migrations_can_be_taken_back() {
    const DOWN: &str =
        include_str!("../../../../migrations/mysql/2026-11-21-000000_conversations/down.sql");
    let database = Database::new().await;
    database.store().prepare(NOON).await.unwrap();
    take_back_newest_at(&database).await;
    for statement in DOWN.trim().split_inclusive(";\n") {
        database.execute(statement).await;
    }
    assert_eq!(database.number(TABLES).await, 1);
}

/// What is deleted meanwhile would stay in its counts, and be its newest row.
#[tokio::test]
async fn a_day_is_not_closed_while_rows_of_it_are_deleted() {
    const LOCK_TIMEOUT: u16 = 1205;
    let database = Database::new().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let dsn = database.dsn();
    store
        .change(move |session| {
            Box::pin(async move {
                let connection = &mut session.connection;
                diesel_async::SimpleAsyncConnection::batch_execute(connection, "START TRANSACTION")
                    .await?;
                count_again(connection, [Day::from_unix_ms(NOON)]).await?;
                let mut closing = Conn::from_url(dsn).await.unwrap();
                let patience = "SET innodb_lock_wait_timeout = 1";
                closing.query_drop(patience).await.unwrap();
                let closing = closing.query_drop("UPDATE recording_days SET dirty = 2");
                let error = closing.await.unwrap_err();
                assert!(
                    matches!(&error, Error::Server(error) if error.code == LOCK_TIMEOUT),
                    "{error}"
                );
                diesel_async::SimpleAsyncConnection::batch_execute(connection, "ROLLBACK").await?;
                Ok(())
            })
        })
        .await
        .unwrap();
}
