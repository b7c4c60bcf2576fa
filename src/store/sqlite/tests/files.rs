use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use super::*;
use crate::store::{ExchangeRows, Whose};

const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// The files of a database: itself and its journals.
fn files(path: &Path) -> [std::path::PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| format!("{}{suffix}", path.display()).into())
}

/// Writes one exchange after the other until the file at the path has some of them, and gives those
/// written since then.
async fn write_until_it_stands_there(
    store: &SqliteStore,
    stands_there: impl AsyncFn() -> bool,
) -> ExchangeRows {
    let began = Instant::now();
    for number in 1.. {
        assert!(began.elapsed() < NOTICED_WITHIN);
        let rows = exchange("s", NOON + number);
        store.write(std::slice::from_ref(&rows)).await.unwrap();
        if stands_there().await {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!()
}

async fn last_id(store: &SqliteStore) -> Option<crate::id::Id> {
    let page = store.messages(id_of("s"), None, 1).await.unwrap();
    page.data.first().map(|row| row.exchange.exchange_id)
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_the_file_and_its_journals() {
    use std::os::unix::fs::PermissionsExt;
    let database = Database::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    for file in files(&database.path()) {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }

    let shared = database.path().with_file_name("shared.db");
    fs::write(&shared, "").unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).unwrap();
    let location = Location::File(shared.to_str().unwrap().to_owned());
    let store = SqliteStore::new(location, &StoreOptions::default());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let mode = fs::metadata(&shared).unwrap().permissions().mode();
    assert_eq!(
        mode & 0o777,
        0o640,
        "a file that stands there is left as it is"
    );
}

#[tokio::test]
async fn a_file_that_is_removed_while_it_is_written_is_made_again() {
    let database = Database::open().await;
    let store = database.store();
    for _ in 0..2 {
        store.write(&[exchange("s", NOON)]).await.unwrap();
        assert_eq!(count_of(&store, "s").await % 2, 0);
        for file in files(&database.path()) {
            fs::remove_file(file).unwrap();
        }
        let path = database.path();
        let rows = write_until_it_stands_there(&store, async || path.exists()).await;
        assert_eq!(last_id(&store).await, Some(rows.exchange.exchange_id));
        let another = database.store();
        assert_eq!(last_id(&another).await, Some(rows.exchange.exchange_id));
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_written_and_read_from_then_on() {
    let database = Database::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert!(last_id(&store).await.is_some());

    // The journal of the old file is left, as whoever restores a backup leaves it.
    let backup = Database::open().await;
    backup.store().write(&[exchange("t", NOON)]).await.unwrap();
    fs::rename(backup.path(), database.path()).unwrap();
    // What is written before the change is noticed, by whoever looks next, goes with the old file.
    let rows = write_until_it_stands_there(&store, async || {
        let is_new = store.conversation(id_of("t")).await.unwrap().is_some();
        is_new && last_id(&store).await.is_some()
    })
    .await;
    for store in [store, database.store()] {
        assert_eq!(last_id(&store).await, Some(rows.exchange.exchange_id));
        assert_eq!(count_of(&store, "t").await, 2);
        let first = store.messages(id_of("s"), None, 500).await.unwrap().data;
        assert!(first[0].exchange.created_at > NOON, "a row of the old file");
    }
    database.execute("PRAGMA integrity_check").await;
}

#[tokio::test]
async fn who_only_reads_sees_the_file_that_stands_there() {
    let database = Database::open().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    for file in files(&database.path()) {
        fs::remove_file(file).unwrap();
    }
    let began = Instant::now();
    while last_id(&store).await.is_some() {
        assert!(began.elapsed() < NOTICED_WITHIN);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
}

#[tokio::test]
async fn what_an_erased_user_said_is_in_none_of_the_files() {
    let database = Database::open().await;
    let store = database.store();
    let secret = "as only alice says it";
    let mut rows = Vec::new();
    for (number, length) in [20, 3_000, 200_000].into_iter().enumerate() {
        let mut said = exchange(&format!("s{number}"), NOON);
        said.messages[0].content = secret.repeat(length / 20);
        said.conversation.title = Some(format!("title: {secret}"));
        rows.push(said);
    }
    store.write(&rows).await.unwrap();
    store.reject(&rows[1], "refused").await.unwrap();
    let found = || {
        let files = files(&database.path());
        let mut contents = files.iter().map(|file| fs::read(file).unwrap_or_default());
        contents.any(|bytes| memchr::memmem::find(&bytes, secret.as_bytes()).is_some())
    };
    assert!(found());
    let whose = Whose::Bearing;
    store
        .delete_user("", "alice", whose, NOON + 1)
        .await
        .unwrap();
    assert!(!found());
}

#[tokio::test]
async fn a_database_from_before_newest_at_is_read_and_brought_up_to_date() {
    const DOWN: &str =
        include_str!("../../../../migrations/sqlite/2026-11-26-000000_newest_rows/down.sql");
    let database = Database::open().await;
    database
        .store()
        .write(&[exchange("s", NOON)])
        .await
        .unwrap();
    database.store().maintain(NOON + 2 * DAY).await.unwrap();
    for statement in DOWN.trim().split_inclusive(";\n") {
        database.execute(statement).await;
    }
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = '20261126000000'";
    database.execute(forget).await;

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
