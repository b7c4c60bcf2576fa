//! Processes that begin an empty database at once, one of which is killed in the middle of it.

use std::{fs, path::Path};

use super::{
    audit::{assert_counted, stored},
    backend::{Backend, Session, mariadb, postgres, sqlite},
    process::{Process, is_quiet},
    traffic::{eventually, text},
};

const OTHERS: usize = 5;
const EXCHANGES: usize = 5;
/// The tables that MariaDB has so far.
const MARIADB_TABLES: &str =
    "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()";

/// Processes that wait to begin.
async fn processes(place: &impl Backend) -> Vec<Process> {
    let mut processes = Vec::new();
    for _ in 0..OTHERS {
        processes.push(Process::start(&place.dsn()).await);
    }
    processes
}

/// Lets them begin, and say something that is to be stored.
async fn begin(processes: &mut [Process]) {
    for (number, process) in processes.iter_mut().enumerate() {
        process.begin().await;
        process.ask(&format!("say {number} {EXCHANGES} 1")).await;
        process.tell("flush").await;
    }
}

/// They get along without a word, and what they said is stored.
async fn assert_all_begun<B: Backend>(place: &B, processes: Vec<Process>) {
    let mut said = Vec::new();
    for (number, mut process) in processes.into_iter().enumerate() {
        assert_eq!(process.answer().await, "flushed");
        let log = process.end().await;
        assert!(is_quiet(&log), "{log}");
        said.extend((0..EXCHANGES).map(|exchange| text(&number.to_string(), exchange)));
    }
    let stored = stored(place).await;
    assert!(said.iter().all(|text| stored.contains(text)), "{stored:?}");
    let begun = "SELECT COUNT(*) FROM recording_meta WHERE value = 'daily'";
    assert_eq!(place.number(begun).await, 1);
    let migrations = "SELECT COUNT(*) FROM __diesel_schema_migrations";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(B::MIGRATIONS);
    let expected = fs::read_dir(folder).expect("migrations").count();
    assert_eq!(place.number(migrations).await, expected as i64);
    assert_counted(place).await;
}

/// One that begins, and has something to say.
async fn first(place: &impl Backend) -> Process {
    let mut first = Process::start(&place.dsn()).await;
    first.begin().await;
    first.ask(&format!("say first {EXCHANGES} 1")).await;
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_begin_a_postgresql_whose_migration_was_killed() {
    let place = postgres::Place::new().await;
    let mut others = processes(&place).await;
    // The migration waits here, in the middle of its transaction.
    let holder = place.session().await;
    let begun = holder
        .batch_execute("BEGIN; CREATE TABLE recording_rejects (id INT)")
        .await;
    begun.expect("a transaction");
    let first = first(&place).await;
    let waits = |what: &str| {
        format!(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND wait_event = '{what}'"
        )
    };
    let migrates = waits("transactionid");
    eventually("no migration", async || place.number(&migrates).await == 1).await;
    begin(&mut others).await;
    let wait = waits("advisory");
    let all = OTHERS as i64;
    eventually("nobody waits", async || place.number(&wait).await == all).await;
    let _ = first.kill().await;
    holder.batch_execute("ROLLBACK").await.expect("an end");
    assert_all_begun(&place, others).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_begin_a_mariadb_whose_migration_was_killed() {
    let place = mariadb::Place::new().await;
    let mut others = processes(&place).await;
    // The migration waits here, with some tables made and others not.
    let mut holder = place.session().await;
    let id = holder.number("SELECT CONNECTION_ID()").await;
    let holding = tokio::spawn(async move {
        let held = mysql_async::prelude::Queryable::query_drop(
            &mut holder,
            "CREATE TABLE recording_rejects AS SELECT SLEEP(60) AS id",
        );
        assert!(held.await.is_err(), "nobody ended it");
    });
    let sessions = |state: &str| {
        format!(
            "SELECT COUNT(*) FROM information_schema.processlist \
             WHERE db = DATABASE() AND state = '{state}'"
        )
    };
    let held = sessions("User sleep");
    eventually("no holder", async || place.number(&held).await == 1).await;
    let first = first(&place).await;
    let migrates = sessions("Waiting for table metadata lock");
    eventually("no migration", async || place.number(&migrates).await == 1).await;
    assert!(place.number(MARIADB_TABLES).await > 3);
    begin(&mut others).await;
    let wait = sessions("User lock");
    let all = OTHERS as i64;
    eventually("nobody waits", async || place.number(&wait).await == all).await;
    let _ = first.kill().await;
    place.execute(&format!("KILL QUERY {id}")).await;
    holding.await.expect("an end");
    assert_all_begun(&place, others).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_begin_an_sqlite_file_whose_migration_was_killed() {
    // SQLite shows no more of a transaction than the files that it makes on the way.
    for made in ["", "-wal", "-shm"] {
        let place = sqlite::Place::new().await;
        let mut others = processes(&place).await;
        let first = first(&place).await;
        eventually("no file", async || place.file(made).exists()).await;
        let _ = first.kill().await;
        begin(&mut others).await;
        assert_all_begun(&place, others).await;
    }
}
