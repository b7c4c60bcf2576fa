use super::*;

/// Locks the partitions of all days but these for a transaction. Whoever plans to read one waits.
async fn hide_all_but(database: &Database, days: &str) -> tokio_postgres::Client {
    let client = database.connect().await;
    let tables = client
        .query(
            &format!(
                "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhrelid \
                 WHERE relkind = 'r' AND NOT (right(relname, 10) {days})"
            ),
            &[],
        )
        .await
        .unwrap();
    let tables: Vec<&str> = tables.iter().map(|row| row.get(0)).collect();
    assert!(tables.len() >= 30);
    let lock = tables.join(", ");
    client
        .batch_execute(&format!(
            "BEGIN; LOCK TABLE {lock} IN ACCESS EXCLUSIVE MODE"
        ))
        .await
        .unwrap();
    client
}

fn hashed(session: &str, at: i64, hash: u8) -> ExchangeRows {
    let mut rows = exchange(session, at);
    rows.messages[1].chain_hash = Some([hash; 16]);
    rows
}

#[tokio::test]
async fn a_read_touches_the_partitions_of_its_days_and_no_far_ones() {
    let database = Database::new().await;
    let store = store(
        &database.dsn_with("options=-cstatement_timeout%3D5s"),
        &StoreOptions::default(),
    );
    let batch: Vec<ExchangeRows> = (0..20)
        .map(|day| hashed(&format!("s{}", day % 10), NOON + day * DAY, 1))
        .collect();
    store.write(&batch).await.unwrap();
    store.maintain(NOON + 30 * DAY).await.unwrap();
    store.maintain(NOON + 30 * DAY).await.unwrap();
    store.maintain(NOON + 30 * DAY).await.unwrap();
    let late = hashed("s7", NOON + 17 * DAY + 1, 2);
    store.write(std::slice::from_ref(&late)).await.unwrap();
    let all = store
        .stats("", "alice", NOON, NOON + 30 * DAY)
        .await
        .unwrap();
    let page = store
        .conversations_of_user("", "alice", None, 0, 10)
        .await
        .unwrap();
    let messages = store
        .messages(batch[9].conversation.id, None, 10)
        .await
        .unwrap();

    // What is dirty is read from its rows, the rest from what was derived.
    let hidden = hide_all_but(&database, "= '2025_02_01'").await;
    assert_eq!(
        store
            .stats("", "alice", NOON, NOON + 30 * DAY)
            .await
            .unwrap(),
        all
    );
    let mut recall = Recall {
        responses: Vec::new(),
        conversations: vec![late.conversation.id],
        ..Recall::default()
    };
    let heads = store.recall(&recall).await.unwrap().heads;
    drop(hidden);

    let hidden = hide_all_but(&database, ">= '2025_02_01'").await;
    recall.hashes = vec![[2; 16]];
    recall.since = NOON + 17 * DAY;
    let recalled = store.recall(&recall).await.unwrap();
    assert_eq!(recalled.heads, heads);
    assert_eq!(recalled.heads[0].message, Some(recalled.messages[0]));
    drop(hidden);

    // A page reads what is stored of days that are closed and clean, and no partition.
    let hidden = hide_all_but(&database, "IS NULL").await;
    let place = crate::store::Place::of(&page.data[3]);
    let behind = store
        .conversations_of_user("", "alice", Some(place), 0, 1)
        .await
        .unwrap();
    assert_eq!(behind.data, page.data[4..5]);
    drop(hidden);

    // A cursor among messages bounds the days from above, the first day from below. Plans have a week more.
    let hidden = hide_all_but(&database, "BETWEEN '2025_01_24' AND '2025_01_31'").await;
    let before = messages.data[1].message.id;
    let first = store
        .messages(batch[9].conversation.id, Some(before), 10)
        .await
        .unwrap();
    assert_eq!(first.data, messages.data[..1]);
    drop(hidden);
}

#[tokio::test]
async fn a_conversation_of_many_days_is_read_from_those_around_its_last_ones() {
    let database = Database::new().await;
    let store = store(
        &database.dsn_with("options=-cstatement_timeout%3D5s"),
        &StoreOptions::default(),
    );
    let batch: Vec<ExchangeRows> = (0..60).map(|day| exchange("s", NOON + day * DAY)).collect();
    store.write(&batch).await.unwrap();
    store.maintain(NOON + 30 * DAY).await.unwrap();
    let id = batch[0].conversation.id;
    let all = store.messages(id, None, 1000).await.unwrap().data;
    assert_eq!(all.len(), 120);

    let hidden = hide_all_but(&database, ">= '2025_02_13'").await;
    let newest = store.messages(id, None, 20).await.unwrap();
    assert_eq!(
        (newest.data.as_slice(), newest.has_more),
        (&all[100..], true)
    );
    drop(hidden);

    let hidden = hide_all_but(&database, "< '2025_02_13'").await;
    let before = all[40].message.id;
    let older = store.messages(id, Some(before), 20).await.unwrap();
    assert_eq!(older.data, all[20..40]);
    drop(hidden);
}
