use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::*;

/// Everything that the catalog says of our tables: names, columns, indexes, keys and views.
async fn catalog(database: &Database) -> Vec<String> {
    let client = database.connect().await;
    let rows = client
        .query(
            "SELECT format('%s %s %s', relkind, relname, pg_get_partkeydef(oid)) AS line \
             FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
             UNION ALL SELECT format('%s %s %s %s', attrelid::regclass, attname, \
             format_type(atttypid, atttypmod), attnotnull) FROM pg_attribute AS a \
             JOIN pg_class AS c ON c.oid = attrelid WHERE attnum > 0 \
             AND relnamespace = current_schema()::regnamespace \
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() \
             UNION ALL SELECT format('%s %s %s', conrelid::regclass, conname, \
             pg_get_constraintdef(oid)) FROM pg_constraint \
             WHERE connamespace = current_schema()::regnamespace \
             UNION ALL SELECT format('%s IN %s', inhrelid::regclass, inhparent::regclass) \
             FROM pg_inherits \
             UNION ALL SELECT definition FROM pg_views WHERE schemaname = current_schema() \
             ORDER BY line",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn options(daily: bool) -> StoreOptions {
    StoreOptions {
        daily_partition: daily,
        ..StoreOptions::default()
    }
}

fn three_days() -> Vec<ExchangeRows> {
    let mut batch: Vec<ExchangeRows> = (0..3).map(|day| exchange("s", NOON + day * DAY)).collect();
    batch.push(failed("s", NOON));
    for rows in &mut batch {
        for message in &mut rows.messages {
            message.chain_hash = Some(*message.id.as_bytes());
        }
    }
    batch
}

#[tokio::test]
async fn moved_tables_are_those_of_a_database_begun_so() {
    for daily in [true, false] {
        let moved = Database::new().await;
        let store = store(&moved.dsn(), &options(!daily));
        store.write(&three_days()).await.unwrap();
        store.set_daily_partition(daily).await.unwrap();
        store.set_daily_partition(daily).await.unwrap();
        let begun = Database::new().await;
        let fresh = super::store(&begun.dsn(), &options(daily));
        fresh.write(&three_days()).await.unwrap();
        let (moved, begun) = (catalog(&moved).await, catalog(&begun).await);
        assert_eq!(moved, begun);
    }
}

#[tokio::test]
async fn what_others_made_of_the_tables_stays() {
    let database = Database::new().await;
    let store = database.store();
    store.write(&three_days()).await.unwrap();
    let role = database.name();
    database
        .execute(&format!(
            "CREATE ROLE {role}; GRANT SELECT ON conversation_histories TO {role}; \
             GRANT SELECT ON error_conversation_histories TO PUBLIC; \
             CREATE INDEX \"By Model\" ON conversation_histories (lower(model_name)) \
             WHERE role = 'user'; \
             ALTER TABLE conversation_histories ADD COLUMN mine TEXT DEFAULT 'x'; \
             CREATE VIEW mine AS SELECT h.mine, e.id FROM conversation_histories AS h, \
             error_conversation_histories AS e"
        ))
        .await;
    for daily in [false, true] {
        store.set_daily_partition(daily).await.unwrap();
        let rights = format!(
            "SELECT (has_table_privilege('{role}', 'conversation_histories', 'SELECT') \
             AND has_table_privilege('{role}', 'error_conversation_histories', 'SELECT') \
             AND NOT has_table_privilege('{role}', 'conversation_histories', 'INSERT'))::int"
        );
        assert_eq!(database.number(&rights).await, 1);
        let mine = "SELECT count(*) FROM mine WHERE mine = 'x'";
        assert_eq!(database.number(mine).await, 6);
        let index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'By Model' \
             AND indexdef LIKE '%lower(model_name)%WHERE%user%'";
        assert_eq!(database.number(index).await, 1);
    }
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

/// All that is read of it.
async fn everything(store: &PostgresStore, batch: &[ExchangeRows]) -> impl PartialEq {
    let id = Id::conversation("", Some("alice"), "s");
    let messages = batch.iter().flat_map(|rows| &rows.messages);
    let recall = Recall {
        conversations: vec![id],
        hashes: messages.filter_map(|message| message.chain_hash).collect(),
        since: NOON,
        ..Recall::default()
    };
    (
        store.messages(id, None, 1000).await.unwrap(),
        store.errors(id, None, 1000).await.unwrap(),
        store
            .conversations_of_user("", "alice", None, 0, 10)
            .await
            .unwrap(),
        store
            .stats("", "alice", NOON, NOON + 9 * DAY)
            .await
            .unwrap(),
        store.recall(&recall).await.unwrap(),
    )
}

#[tokio::test]
async fn another_process_follows_with_the_statements_it_has_prepared() {
    for daily in [true, false] {
        let database = Database::new().await;
        let mover = store(&database.dsn(), &options(!daily));
        let follower = store(&database.dsn(), &options(!daily));
        let batch = three_days();
        follower.write(&batch).await.unwrap();
        for (day, daily) in (3..).zip([daily, !daily, daily]) {
            let before = everything(&follower, &batch).await;
            mover.set_daily_partition(daily).await.unwrap();
            assert!(everything(&follower, &batch).await == before);
            assert!(everything(&mover, &batch).await == before);
            follower.write(&batch).await.unwrap();
            assert!(everything(&follower, &batch).await == before);
            let new = exchange("s", NOON + day * DAY);
            follower.write(&[new]).await.unwrap();
            follower.maintain(NOON + day * DAY).await.unwrap();
            let name = follower
                .conversation_history_table_name(NOON)
                .await
                .unwrap();
            assert_eq!(name == "conversation_histories_2025_01_15", daily);
            let made = follower.create_table_if_not_exists(NOON + (day + 50) * DAY);
            assert_eq!(made.await.unwrap(), daily);
        }
        assert_eq!(count_of(&follower, "s").await, 12);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_wait_for_a_move_and_readers_never_miss_a_row() {
    let database = Database::new().await;
    let store = Arc::new(database.store());
    let batch: Vec<ExchangeRows> = (0..300)
        .map(|number| exchange("read", NOON + number * HOUR))
        .collect();
    store.write(&batch).await.unwrap();
    let id = batch[0].conversation.id;
    let moving = Arc::new(AtomicBool::new(true));
    let writer = {
        let (store, moving) = (Arc::clone(&store), Arc::clone(&moving));
        tokio::spawn(async move {
            let mut written = 0;
            while moving.load(Ordering::Relaxed) {
                let rows = exchange("written", NOON + written * HOUR);
                store.write(&[rows]).await.unwrap();
                written += 1;
            }
            written
        })
    };
    let reader = {
        let (store, moving) = (Arc::clone(&store), Arc::clone(&moving));
        tokio::spawn(async move {
            while moving.load(Ordering::Relaxed) {
                let page = store.messages(id, None, 1000).await.unwrap();
                assert_eq!(page.data.len(), 600);
                assert_eq!(count_of(&*store, "read").await, 600);
            }
        })
    };
    let mover = database.store();
    for daily in [false, true, false, true] {
        mover.set_daily_partition(daily).await.unwrap();
    }
    moving.store(false, Ordering::Relaxed);
    reader.await.unwrap();
    let written = writer.await.unwrap();
    assert_eq!(count_of(&*store, "written").await, written * 2);
}

#[tokio::test]
async fn a_move_that_fails_leaves_everything_as_it_was() {
    let database = Database::new().await;
    let store = database.single_table_store();
    let batch = three_days();
    store.write(&batch).await.unwrap();
    database
        .execute("CREATE TABLE error_conversation_histories_2025_01_17 (mine INT)")
        .await;
    let (tables, rows) = (catalog(&database).await, everything(&store, &batch).await);
    let error = store.set_daily_partition(true).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("_2025_01_17"), "{error}");
    assert_eq!(catalog(&database).await, tables);
    assert!(everything(&store, &batch).await == rows);
    store.write(&[exchange("s", NOON + 9 * DAY)]).await.unwrap();
}
