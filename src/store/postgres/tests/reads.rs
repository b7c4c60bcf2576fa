use std::ops::Range;

use diesel::sql_query;

use super::*;
use crate::{
    partition::Day,
    store::{Place, postgres::days::NumberRow},
};

/// Anybody may name any day, and a connection would keep a statement for each.
#[tokio::test]
async fn a_connection_keeps_no_statement_for_each_day_that_is_named() {
    let database = Database::new().await;
    let options = StoreOptions {
        max_open_conns: 1,
        ..StoreOptions::default()
    };
    let store = store(&database.dsn(), &options);
    store
        .write(&[exchange("s", NOON), exchange("s", NOON - 9 * DAY)])
        .await
        .unwrap();
    let asked = async |days: Range<i64>| {
        for day in days {
            let after = Some(Place {
                last_day: Day::from_unix_ms(NOON + day * DAY),
                updated_at: NOON,
                id: Id::default(),
            });
            let listed = store.conversations_of_user("", "alice", after, 1, 2).await;
            listed.unwrap();
            let stats = store.stats("", "alice", NOON - (day + 3) * DAY, NOON).await;
            stats.unwrap();
        }
        let mut lease = store.connections.writers.lease().await.unwrap();
        let kept = sql_query("SELECT count(*) AS value FROM pg_prepared_statements");
        let connection = &mut lease.session.connection;
        let kept = diesel_async::RunQueryDsl::get_result::<NumberRow>(kept, connection);
        kept.await.unwrap().value
    };
    let few = asked(0..3).await;
    assert!(asked(3..40).await <= few);
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    let database = Database::new().await;
    let store = database.store();
    let rows = exchange("s", NOON);
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    let mut client = database.connect().await;
    let held = client.transaction().await.unwrap();
    held.batch_execute(
        "UPDATE conversations SET title = 'held'; UPDATE conversation_histories SET content = ''; \
         SELECT pg_advisory_xact_lock(731058903, current_schema()::regnamespace::oid::int)",
    )
    .await
    .unwrap();
    let reads = (0..20).map(|_| store.messages(rows.conversation.id, None, 5));
    for page in futures_util::future::join_all(reads).await {
        assert_eq!(page.unwrap().data.len(), 2);
    }
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed_or_kept_than_wanted() {
    let database = Database::new().await;
    let options = StoreOptions {
        max_open_conns: 4,
        max_idle_conns: 2,
        ..StoreOptions::default()
    };
    let store = store(&database.dsn_with("application_name=counted"), &options);
    store.prepare(NOON).await.unwrap();
    let rows = exchange("s", NOON);
    let batch = std::slice::from_ref(&rows);
    let work = (0..40).map(|_| async {
        store.write(batch).await.unwrap();
        store.messages(rows.conversation.id, None, 5).await.unwrap();
        let open = database.number(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counted' \
             AND datname = current_database()",
        );
        open.await
    });
    let open = futures_util::future::join_all(work).await;
    assert!(open.iter().all(|open| (1..=5).contains(open)), "{open:?}");
}

#[tokio::test]
async fn a_page_reads_the_partitions_of_its_days_alone() {
    let database = Database::new().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..30).map(|day| exchange("s", NOON + day * DAY)).collect();
    store.write(&batch).await.unwrap();
    store.write(&[exchange("t", NOON)]).await.unwrap();
    let client = database.connect().await;
    let plan = client
        .query(
            "EXPLAIN SELECT id FROM conversation_histories WHERE conversation_id = \
             (SELECT id FROM conversations WHERE session_id = 't') \
             AND created_at >= '2025-01-15' AND created_at < '2025-01-16' \
             ORDER BY created_at DESC, id DESC LIMIT 51",
            &[],
        )
        .await
        .unwrap();
    let scans = plan.iter().filter(|row| {
        row.get::<_, &str>(0)
            .contains(" on conversation_histories_")
    });
    assert_eq!(scans.count(), 1, "{plan:?}");
}

#[tokio::test]
async fn what_an_older_version_closed_is_listed_by_its_rows() {
    let database = Database::new().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..60)
        .map(|number| exchange(&format!("s{number}"), NOON - number % 7 * DAY + number))
        .collect();
    store.write(&batch).await.unwrap();
    for _ in 0..2 {
        store.maintain(NOON + 2 * DAY).await.unwrap();
    }
    let all = store.conversations_of_user("", "alice", None, 0, 100);
    let all = all.await.unwrap().data;
    assert_eq!(all.len(), 60);
    let known = "SELECT count(*) FROM conversations WHERE newest_at IS NOT NULL";
    assert_eq!(database.number(known).await, 60);
    let older = "UPDATE conversations SET newest_at = CASE right(session_id, 1) WHEN '5' \
         THEN newest_at - interval '2 days' END \
         WHERE last_day = '2025-01-13' OR right(session_id, 1) IN ('1', '4', '5')";
    database.execute(older).await;
    for limit in [1, 4, 9, 60] {
        for (index, row) in all.iter().enumerate() {
            let end = (index + 1 + limit).min(60);
            let place = Some(crate::store::Place::of(row));
            let page = store.conversations_of_user("", "alice", place, 0, limit);
            assert_eq!(
                page.await.unwrap().data,
                all[index + 1..end],
                "{index} {limit}"
            );
            let page = store.conversations_of_user("", "alice", None, index + 1, limit);
            assert_eq!(
                page.await.unwrap().data,
                all[index + 1..end],
                "{index} {limit}"
            );
        }
    }
}
