//! Servers that are set up otherwise, refuse, or are not there.

use super::*;
use crate::{
    outcome::Truncated,
    store::{Place, Recall, StoreError, mysql::MysqlStore},
};

/// What a store does beside writing and reading messages, on days that nothing else is on.
async fn assert_does_all(store: &MysqlStore) {
    let at = NOON + 30 * DAY;
    let mut rows = exchange_of("carol", "all", at);
    rows.messages[0].chain_hash = Some([9; 16]);
    rows.messages[1].usage.total_tokens = Some(3);
    store.write(std::slice::from_ref(&rows)).await.unwrap();
    let mut wanted = Recall::default();
    wanted.conversations.push(rows.conversation.id);
    wanted.hashes.push([9; 16]);
    for daily in [true, false, true] {
        store.set_daily_partition(daily).await.unwrap();
        let recalled = store.recall(&wanted).await.unwrap();
        assert_eq!(recalled.messages[0].id, rows.messages[0].id);
        assert_eq!(recalled.heads[0].message, Some(recalled.messages[0]));
        let stats = store.stats("", "carol", at, at).await.unwrap();
        assert_eq!((stats.total_tokens, stats.total_messages), (3, 2));
        let list = store.conversations_of_user("", "carol", None, 0, 5);
        let place = Place::of(&list.await.unwrap().data[0]);
        let rest = store.conversations_of_user("", "carol", Some(place), 0, 5);
        assert!(rest.await.unwrap().data.is_empty());
        let last = Some(rows.messages[1].id);
        let page = store.messages(rows.conversation.id, last, 5).await.unwrap();
        assert_eq!(page.data.len(), 1);
    }
    store.drop_partitions(at + DAY).await.unwrap();
    let found = store.conversation(rows.conversation.id).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn the_server_s_own_sql_mode_changes_nothing() {
    for mode in ["", "ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES"] {
        let options = [
            &format!("--sql-mode={mode}"),
            "--autocommit=0",
            "--default-time-zone=-05:00",
            "--character-set-server=latin1",
            "--transaction-isolation=SERIALIZABLE",
        ];
        let server = Server::start(&options);
        let database = Database::on(&server.dsn()).await;
        let store = database.store();
        assert_round_trip(&store).await;
        store.maintain(NOON + 3 * DAY).await.unwrap();
        assert_eq!(count_of(&store, "plain").await, 2);
        assert_does_all(&store).await;
        let mut long = exchange("long", NOON);
        long.exchange.user_id = "x".repeat(256);
        let error = store.write(&[long]).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().ends_with("(error 1406)"), "{error}");
    }
}

pub(super) async fn unavailable(dsn: &str) -> String {
    let store = store(dsn, &StoreOptions::default());
    let error = store.prepare(NOON).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    let text = error.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!format!("{store:?}").contains("hunter2"));
    text
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_no_secret() {
    let database = Database::new().await;
    let dsn = database.dsn();
    let (server, name) = dsn.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    database
        .execute(&format!(
            "CREATE USER IF NOT EXISTS '{name}'@'%' IDENTIFIED BY 'right'"
        ))
        .await;
    let text = unavailable(&format!("mysql://{name}:hunter2@{host}/{name}")).await;
    assert!(
        text.contains("refused the user or the password (error 1045)"),
        "{text}"
    );
    let text = unavailable(&format!("mysql://{name}:right@{host}/{name}")).await;
    assert!(text.contains("lacks a right (error 1044)"), "{text}");
    let text = unavailable(&format!("{server}/not_there")).await;
    assert!(text.contains("does not exist (error 1049)"), "{text}");
    let text = unavailable(server).await;
    assert!(text.contains("names no database"), "{text}");
    database
        .execute(&format!("GRANT SELECT, INSERT ON {name}.* TO '{name}'@'%'"))
        .await;
    let text = unavailable(&format!("mysql://{name}:right@{host}/{name}")).await;
    assert!(
        text.contains("lacks the right CREATE (error 1142)"),
        "{text}"
    );
    database.execute(&format!("DROP USER '{name}'@'%'")).await;
    let text = unavailable("mysql://root:hunter2@127.0.0.1:1/d").await;
    assert!(text.contains("cannot be reached"), "{text}");
}

#[tokio::test]
async fn the_rights_of_the_documentation_suffice() {
    let database = Database::new().await;
    let dsn = database.dsn();
    let (server, name) = dsn.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    let grant = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, CREATE VIEW, \
         CREATE TEMPORARY TABLES ON {name}.* TO '{name}'@'%' IDENTIFIED BY 'p@ss:w/rd'"
    );
    database.execute(&grant).await;
    let go =
        format!("{name}:p@ss:w/rd@tcp({host})/{name}?charset=utf8mb4&parseTime=True&loc=Local");
    let store = store(&go, &StoreOptions::default());
    assert_round_trip(&store).await;
    store.maintain(NOON + 3 * DAY).await.unwrap();
    assert_eq!(count_of(&store, "plain").await, 2);
    assert_eq!(
        database
            .number("SELECT count(*) FROM conversation_messages")
            .await,
        4
    );
    assert_does_all(&store).await;
    database.execute(&format!("DROP USER '{name}'@'%'")).await;
}

#[tokio::test]
async fn a_read_only_server_holds_writes_back_and_answers_reads() {
    let server = Server::start(&[]);
    let database = Database::on(&server.dsn()).await;
    let rows = exchange("s", NOON);
    database
        .store()
        .write(std::slice::from_ref(&rows))
        .await
        .unwrap();
    for sql in [
        "CREATE USER recorder@'%' IDENTIFIED BY 'hunter2'",
        "GRANT ALL ON *.* TO recorder@'%'",
        "REVOKE READ_ONLY ADMIN, SUPER ON *.* FROM recorder@'%'",
        "SET GLOBAL read_only = ON",
    ] {
        database.execute(sql).await;
    }
    let dsn = database.dsn().replace("root@", "recorder:hunter2@");
    let store = store(&dsn, &StoreOptions::default());
    let error = store.write(&[exchange("t", NOON)]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(
        error.to_string().contains("read-only (error 1290)"),
        "{error}"
    );
    assert_eq!(
        store
            .messages(rows.conversation.id, None, 5)
            .await
            .unwrap()
            .data
            .len(),
        2
    );
    database.execute("SET GLOBAL read_only = OFF").await;
    store.write(&[exchange("t", NOON)]).await.unwrap();
}

#[tokio::test]
async fn what_the_server_s_packets_cannot_hold_is_split_or_cut() {
    let server = Server::start(&["--max-allowed-packet=65536"]);
    let database = Database::on(&server.dsn()).await;
    let store = database.store();
    let mut batch: Vec<ExchangeRows> = (0..300).map(|at| exchange("s", NOON + at)).collect();
    batch[7].messages[0].content = "四".repeat(100_000);
    store.write(&batch).await.unwrap();
    let page = store
        .messages(batch[0].conversation.id, None, 600)
        .await
        .unwrap();
    assert_eq!(page.data.len(), 600);
    let cut = &page.data[14];
    assert_eq!(cut.exchange.truncated, Truncated::Cap);
    assert!(cut.message.content.len() > 50_000);
    assert!(
        batch[7].messages[0]
            .content
            .starts_with(&cut.message.content)
    );
    let mut rows = exchange("s", NOON);
    rows.messages[0].other = Some("x".repeat(100_000));
    let error = store.write(std::slice::from_ref(&rows)).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(error.to_string().contains("max_allowed_packet"), "{error}");
    store.reject(&rows, &error.to_string()).await.unwrap();
}

#[tokio::test]
async fn few_connections_serve_writer_and_readers() {
    for (max_open_conns, max_idle_conns) in [(1, 0), (1, 1), (2, 1), (3, 50)] {
        let database = Database::new().await;
        let options = StoreOptions {
            max_open_conns,
            max_idle_conns,
            max_lifetime: Some(std::time::Duration::ZERO),
            ..StoreOptions::default()
        };
        let store = store(&database.dsn(), &options);
        assert_round_trip(&store).await;
        store.maintain(NOON + 3 * DAY).await.unwrap();
        assert_does_all(&store).await;
    }
}
