//! Replicas that databases keep up to date by themselves, read by a layer that writes to the primary.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{Router, body::Bytes, routing::post};
use http::Version;
use mysql_async::{Conn, prelude::Queryable};
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;
use tower::Layer;
use tower_recording::{Recorder, RecordingLayer, store::StoredMessage};

use crate::{
    servers::{mariadb, postgres},
    support::{chat, client, conversation, messages, send, serve},
};

const ANSWER: &str = r#"{"choices":[{"message":{"role":"assistant","content":"hi"}}]}"#;
const ASKED: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
const ROWS: &str = "SELECT COUNT(*) FROM conversation_histories";
const DAY: i64 = 86_400_000;

/// A primary and the replica that follows it.
trait Followed {
    fn dsn(&self) -> String;

    fn replica_dsn(&self) -> String;

    /// Rows of messages that the replica has; `None` where it cannot tell yet.
    async fn copied(&self) -> Option<i64>;

    /// The replica stays as it is.
    async fn pause(&self);

    async fn resume(&self);

    fn end_replica(&mut self);

    async fn has_copied(&self, rows: i64) {
        let copied = async {
            while self.copied().await != Some(rows) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let copied = timeout(Duration::from_secs(30), copied).await;
        assert!(copied.is_ok(), "{rows} rows are not copied");
    }
}

/// A layer that writes to one and reads from the other, and where it serves.
async fn serving(servers: &impl Followed) -> (Recorder, SocketAddr) {
    let layer = RecordingLayer::builder(servers.dsn())
        .read_dsn(servers.replica_dsn())
        .build()
        .expect("a layer");
    let app = Router::new().route("/v1/chat/completions", post(|_: Bytes| async { ANSWER }));
    (layer.recorder(), serve(layer.layer(app)).await)
}

async fn say(address: SocketAddr) {
    send(&client(Version::HTTP_11), chat(address, "s", ASKED)).await;
}

async fn shut_down(recorder: &Recorder) {
    let report = recorder.shutdown(Duration::from_secs(20)).await;
    assert_eq!(report.left, 0, "{report}");
}

fn tomorrow() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.expect("a clock").as_millis()).expect("a time") + DAY
}

async fn is_read_and_never_shows_what_was_removed(mut servers: impl Followed) {
    let (recorder, address) = serving(&servers).await;
    say(address).await;
    recorder.flush().await;
    servers.has_copied(2).await;
    let read: Vec<StoredMessage> = messages(&recorder, "s").await;
    assert_eq!(read.len(), 2);
    servers.pause().await;
    say(address).await;
    let talk = conversation(&recorder, "s").await;
    assert_eq!(talk.message_count, 4);
    // That is what the replica has.
    assert_eq!(messages(&recorder, "s").await, read);
    let store = recorder.store();
    store.drop_partitions(tomorrow()).await.expect("a drop");
    assert_eq!(store.conversation(talk.id).await.expect("a store"), None);
    let page = store.messages(talk.id, None, 9).await.expect("a store");
    assert!(page.data.is_empty());
    let list = store.conversations_of_user("", "ada", None, 0, 9).await;
    assert!(list.expect("a store").data.is_empty());
    // It has its id again.
    say(address).await;
    assert_eq!(conversation(&recorder, "s").await.id, talk.id);
    let again = messages(&recorder, "s").await;
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|row| !read.contains(row)));
    assert_eq!(servers.copied().await, Some(2));
    servers.resume().await;
    shut_down(&recorder).await;
    servers.end_replica();
    let (recorder, _) = serving(&servers).await;
    assert_eq!(messages(&recorder, "s").await, again);
    shut_down(&recorder).await;
}

struct Postgres {
    database: postgres::Database,
    standby: Option<postgres::Server>,
    replica_dsn: String,
    _primary: postgres::Server,
}

impl Postgres {
    async fn new() -> Self {
        let primary = postgres::Server::start(&[]);
        let standby = primary.standby();
        let database = postgres::Database::on(&primary.dsn()).await;
        Self {
            replica_dsn: format!("{}/{}", standby.dsn(), database.name()),
            database,
            standby: Some(standby),
            _primary: primary,
        }
    }

    /// What the standby answers.
    async fn ask<T>(&self, sql: &str) -> Option<T>
    where
        T: for<'a> tokio_postgres::types::FromSql<'a>,
    {
        let connected = tokio_postgres::connect(&self.replica_dsn, NoTls).await;
        let (client, connection) = connected.ok()?;
        let driver = tokio::spawn(connection);
        let row = client.query_one(sql, &[]).await.ok()?;
        driver.abort();
        row.try_get(0).ok()
    }
}

impl Followed for Postgres {
    fn dsn(&self) -> String {
        self.database.dsn()
    }

    fn replica_dsn(&self) -> String {
        self.replica_dsn.clone()
    }

    async fn copied(&self) -> Option<i64> {
        self.ask(ROWS).await
    }

    async fn pause(&self) {
        let state = "SELECT pg_wal_replay_pause(), pg_get_wal_replay_pause_state() = 'paused'";
        let state = format!("SELECT paused FROM ({state}) AS now (asked, paused)");
        while self.ask(&state).await != Some(true) {}
    }

    async fn resume(&self) {
        self.ask::<String>("SELECT pg_wal_replay_resume()::text")
            .await
            .expect("a standby");
    }

    fn end_replica(&mut self) {
        self.standby = None;
    }
}

#[tokio::test]
async fn a_streaming_standby_is_read_and_never_shows_what_was_removed() {
    is_read_and_never_shows_what_was_removed(Postgres::new().await).await;
}

#[tokio::test]
async fn a_standby_that_hangs_is_not_waited_for_long() {
    let servers = Postgres::new().await;
    let (recorder, address) = serving(&servers).await;
    say(address).await;
    recorder.flush().await;
    servers.has_copied(2).await;
    // The standby keeps a lock that the primary has given back.
    let primary = servers.database.connect().await;
    let lock = "BEGIN; LOCK TABLE recording_meta IN ACCESS EXCLUSIVE MODE; \
         SELECT pg_switch_wal()";
    primary.batch_execute(lock).await.expect("a lock");
    let held = "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' \
         AND relation = (SELECT oid FROM pg_class WHERE relname = 'recording_meta')";
    while servers.ask(held).await != Some(true) {}
    servers.pause().await;
    primary.batch_execute("COMMIT").await.expect("a commit");
    let begun = Instant::now();
    assert_eq!(messages(&recorder, "s").await.len(), 2);
    let waited = begun.elapsed();
    assert!((4..9).contains(&waited.as_secs()), "{waited:?}");
    // Nobody asks it again so soon.
    let begun = Instant::now();
    assert_eq!(messages(&recorder, "s").await.len(), 2);
    assert!(begun.elapsed() < waited / 2);
    servers.resume().await;
    shut_down(&recorder).await;
}

struct Mariadb {
    database: mariadb::Database,
    replica: Option<mariadb::Server>,
    replica_dsn: String,
    primary: mariadb::Server,
}

impl Mariadb {
    async fn new() -> Self {
        let primary = mariadb::Server::start(&["--log-bin=binlog", "--server-id=1"]);
        let replica = mariadb::Server::start(&["--server-id=2", "--read-only=ON"]);
        let database = mariadb::Database::on(&primary.dsn()).await;
        let servers = Self {
            replica_dsn: database.dsn().replace(&primary.dsn(), &replica.dsn()),
            database,
            replica: Some(replica),
            primary,
        };
        let dsn = servers.primary.dsn();
        let (_, port) = dsn.rsplit_once(':').expect("a port");
        // Of the replica it may read, and no more.
        for sql in [
            "CREATE USER reader@'%' IDENTIFIED BY 'hunter2'",
            "GRANT SELECT ON *.* TO reader@'%'",
        ] {
            servers.database.execute(sql).await;
        }
        servers
            .tell(&format!(
                "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, \
                 MASTER_USER = 'root', MASTER_USE_GTID = slave_pos"
            ))
            .await;
        servers.tell("START SLAVE").await;
        servers
    }

    async fn tell(&self, sql: &str) {
        let replica = self.replica.as_ref().expect("a replica").dsn();
        let replica = Conn::from_url(replica).await;
        let told = replica.expect("a connection").query_drop(sql).await;
        told.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

impl Followed for Mariadb {
    fn dsn(&self) -> String {
        self.database.dsn()
    }

    fn replica_dsn(&self) -> String {
        self.replica_dsn.replace("root@", "reader:hunter2@")
    }

    async fn copied(&self) -> Option<i64> {
        let mut replica = Conn::from_url(self.replica_dsn()).await.ok()?;
        replica.query_first(ROWS).await.ok()?
    }

    async fn pause(&self) {
        self.tell("STOP SLAVE SQL_THREAD").await;
    }

    async fn resume(&self) {
        self.tell("START SLAVE SQL_THREAD").await;
    }

    fn end_replica(&mut self) {
        self.replica = None;
    }
}

#[tokio::test]
async fn a_mariadb_replica_is_read_and_never_shows_what_was_removed() {
    is_read_and_never_shows_what_was_removed(Mariadb::new().await).await;
}
