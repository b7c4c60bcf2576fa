//! A database user who lacks a right, until he is granted it.

use super::{
    audit::assert_stored,
    backend::{Backend, Served, mariadb, postgres},
    process::Process,
    traffic::{Traffic, text},
};

const EXCHANGES: usize = 30;

/// Records as this user, who lacks a right; the log names it in these words.
async fn stores_all_once_granted(place: &impl Backend, dsn: &str, words: &[&str], grant: &str) {
    let mut recorder = Process::start(dsn).await;
    recorder.begin().await;
    recorder.ask(&format!("say talk {EXCHANGES} 4")).await;
    recorder.until_logged(words).await;
    let log = recorder.log();
    assert!(!log.contains("number") && !log.contains("hunter2"), "{log}");
    place.execute(grant).await;
    recorder.ask("flush").await;
    let counts = recorder.ask("count").await;
    assert_eq!(counts, format!("{EXCHANGES} written 0 rejected"));
    recorder.end().await;
    let said: Vec<_> = (0..EXCHANGES).map(|number| text("talk", number)).collect();
    assert_stored(place, &said).await;
}

/// The tables are there, made by somebody else.
async fn prepared(place: &impl Backend) {
    let owner = Traffic::into(&place.dsn());
    let store = owner.recorder();
    store
        .store()
        .prepare(super::clock::unix_millis())
        .await
        .expect("tables");
    owner.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_insert_on_postgresql_is_told_so_and_loses_nothing() {
    let place = postgres::Place::alone().await;
    prepared(&place).await;
    place
        .execute(
            "CREATE ROLE recorder LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO recorder",
        )
        .await;
    let dsn = place.dsn().replace("postgres@", "recorder@");
    let words = [
        "permission denied for table conversations",
        "INSERT",
        "42501",
    ];
    let grant = "GRANT INSERT, UPDATE ON conversations, recording_days TO recorder; \
         GRANT INSERT ON conversation_histories, error_conversation_histories TO recorder";
    stores_all_once_granted(&place, &dsn, &words, grant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_create_on_postgresql_is_told_so_and_loses_nothing() {
    let place = postgres::Place::alone().await;
    place
        .execute("CREATE ROLE recorder LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await;
    let dsn = place.dsn().replace("postgres@", "recorder@");
    let words = ["permission denied for schema public", "CREATE", "42501"];
    let grant = "GRANT CREATE ON SCHEMA public TO recorder";
    stores_all_once_granted(&place, &dsn, &words, grant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_insert_on_mariadb_is_told_so_and_loses_nothing() {
    let place = mariadb::Place::new().await;
    prepared(&place).await;
    let user = User::with(&place, "SELECT").await;
    let words = ["lacks the right INSERT", "1142"];
    stores_all_once_granted(&place, &user.dsn, &words, &user.grant).await;
    user.drop_from(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_create_on_mariadb_is_told_so_and_loses_nothing() {
    let place = mariadb::Place::new().await;
    let user = User::with(&place, "SELECT, INSERT, UPDATE").await;
    let words = ["lacks the right CREATE", "1142"];
    stores_all_once_granted(&place, &user.dsn, &words, &user.grant).await;
    user.drop_from(&place).await;
}

/// A user of a MariaDB database, called like it.
struct User {
    dsn: String,
    /// Grants all that the recorder needs.
    grant: String,
}

impl User {
    async fn with(place: &mariadb::Place, rights: &str) -> Self {
        let name = place.name();
        let grant = |rights: &str| format!("GRANT {rights} ON {name}.* TO '{name}'@'%'");
        let made = format!("{} IDENTIFIED BY 'hunter2'", grant(rights));
        place.execute(&made).await;
        Self {
            dsn: place.dsn().replace("root@", &format!("{name}:hunter2@")),
            grant: grant(
                "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, CREATE VIEW, \
                 CREATE TEMPORARY TABLES",
            ),
        }
    }

    async fn drop_from(self, place: &mariadb::Place) {
        place
            .execute(&format!("DROP USER '{}'@'%'", place.name()))
            .await;
    }
}
