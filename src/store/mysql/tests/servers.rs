//! Servers that are set up otherwise, refuse, or are not there.

use std::fs;

use super::*;
use crate::{outcome::Truncated, store::StoreError};

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
        let mut long = exchange("long", NOON);
        long.exchange.user_id = "x".repeat(256);
        let error = store.write(&[long]).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert!(error.to_string().ends_with("(error 1406)"), "{error}");
    }
}

async fn unavailable(dsn: &str) -> String {
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
async fn a_server_that_crashes_and_returns_is_written_to_again() {
    let mut server = Server::start(&["--innodb-flush-log-at-trx-commit=1"]);
    let database = Database::on(&server.dsn()).await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    server.kill();
    let error = store.write(&[exchange("s", NOON + 1)]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let read = store
        .conversation(exchange("s", NOON).conversation.id)
        .await;
    assert!(read.unwrap_err().is_transient());
    server.run(&[]);
    store.write(&[exchange("s", NOON + 1)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 4);
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
    }
}

/// A server whose certificate is for `localhost`, and the file of who issued it.
fn server_with_certificate() -> (Server, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    fs::write(path("ca.pem"), authority_certificate.pem()).unwrap();
    fs::write(path("server.pem"), certificate.pem()).unwrap();
    fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    open_to_all(&folder, &["", "ca.pem", "server.pem", "key.pem"]);
    let options = ["ca", "cert", "key"]
        .into_iter()
        .zip(["ca.pem", "server.pem", "key.pem"])
        .map(|(option, file)| format!("--ssl-{option}={}", path(file)));
    let options: Vec<String> = options.collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let ca = path("ca.pem");
    (Server::start(&options), folder, ca)
}

/// The server runs as another user.
fn open_to_all(folder: &tempfile::TempDir, names: &[&str]) {
    use std::os::unix::fs::PermissionsExt;
    for name in names {
        let path = folder.path().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// How many of this server's connections are encrypted once a store has written through this DSN.
async fn encrypted(database: &Database, dsn: &str) -> Result<bool, StoreError> {
    let before = database.number(FINISHED).await;
    let store = store(dsn, &StoreOptions::default());
    store.write(&[exchange("s", NOON)]).await?;
    Ok(database.number(FINISHED).await > before)
}

const FINISHED: &str = "SELECT variable_value FROM information_schema.global_status \
     WHERE variable_name = 'Ssl_finished_accepts'";

#[tokio::test]
async fn every_mode_of_encryption_does_what_it_says() {
    let (server, _folder, ca) = server_with_certificate();
    let database = Database::on(&server.dsn()).await;
    let by_address = database.dsn();
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let go = by_name
        .replace("mysql://root@", "root@tcp(")
        .replace("/test_", ")/test_");
    for (dsn, expected) in [
        (format!("{by_address}?ssl-mode=DISABLED"), Some(false)),
        (by_address.clone(), Some(true)),
        (format!("{by_address}?ssl-mode=REQUIRED"), Some(true)),
        (
            format!("{by_address}?sslmode=require&sslrootcert={ca}"),
            Some(true),
        ),
        (
            format!("{by_address}?ssl-mode=VERIFY_CA&ssl-ca={ca}"),
            Some(true),
        ),
        (format!("{by_address}?ssl-mode=VERIFY_CA"), None),
        (
            format!("{by_address}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
            None,
        ),
        (
            format!("{by_name}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
            Some(true),
        ),
        (format!("{by_name}?ssl-mode=VERIFY_IDENTITY"), None),
        (
            format!("{by_name}?sslmode=verify-full&sslrootcert={ca}.not"),
            None,
        ),
        (format!("{go}?tls=false"), Some(false)),
        (format!("{go}?tls=preferred"), Some(true)),
        (format!("{go}?tls=skip-verify"), Some(true)),
        (format!("{go}?tls=true"), None),
    ] {
        let result = encrypted(&database, &dsn).await;
        match (&result, expected) {
            (Ok(found), Some(expected)) => assert_eq!(*found, expected, "{dsn}"),
            (Err(error), None) => assert!(error.is_transient(), "{dsn}: {error}"),
            _ => panic!("{dsn}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_without_encryption_is_talked_to_only_where_that_is_allowed() {
    let server = Server::start(&["--skip-ssl"]);
    let database = Database::on(&server.dsn()).await;
    let dsn = database.dsn();
    for mode in ["", "?ssl-mode=PREFERRED", "?sslmode=disable"] {
        assert!(!encrypted(&database, &format!("{dsn}{mode}")).await.unwrap());
    }
    for mode in [
        "ssl-mode=REQUIRED",
        "sslmode=require",
        "ssl-mode=VERIFY_CA",
        "tls=skip-verify",
    ] {
        let text = unavailable(&format!("{dsn}?{mode}")).await;
        assert!(text.contains("SSL"), "{text}");
    }
}
