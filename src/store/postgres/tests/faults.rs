use super::*;

/// Its text is for a log: it says what is wrong and holds no password.
async fn assert_unavailable(dsn: &str, said: &str) {
    let store = store(dsn, &StoreOptions::default());
    let rows = exchange("secret", NOON);
    for result in [
        store.prepare(NOON).await,
        store.write(std::slice::from_ref(&rows)).await,
        store
            .messages(rows.conversation.id, None, 1)
            .await
            .map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let text = error.to_string();
        assert!(text.contains(said), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains("secret"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_an_operator_can_mend_is_transient() {
    let mut server = Server::create();
    server.write(
        "pg_hba.conf",
        "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
    );
    server.run(&[]);
    let database = Database::on(&server.dsn()).await;
    database
        .execute("CREATE ROLE recorder LOGIN PASSWORD 'right'")
        .await;
    let (port, name) = (server.port(), database.name());
    let dsn = |login: &str, name: &str| format!("postgres://{login}@127.0.0.1:{port}/{name}");
    assert_unavailable(&dsn("recorder:hunter2", name), "28P01").await;
    assert_unavailable(&dsn("recorder:right", "nowhere"), "3D000").await;
    assert_unavailable(&dsn("recorder:right", name), "CREATE on the schema").await;
    let nobody = "postgres://u:hunter2@127.0.0.1:1/d";
    assert_unavailable(nobody, "onnection refused").await;
    assert_unavailable("postgres://u:hunter2@nowhere.invalid/d", "").await;
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let server = Server::start(&[]);
    let database = Database::on(&server.dsn()).await;
    let owner = database.store();
    owner.prepare(NOON).await.unwrap();
    let role = database.name();
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
    let dsn = database.dsn().replace("postgres@", &format!("{role}@"));
    let limited = store(&dsn, &StoreOptions::default());
    limited.prepare(NOON).await.unwrap();
    let rows = [exchange("s", NOON)];
    let text = limited.write(&rows).await.unwrap_err().to_string();
    assert!(text.contains("42501") && text.contains("INSERT"), "{text}");
    database
        .execute(&format!(
            "GRANT INSERT, UPDATE ON conversations, recording_days TO {role}; \
             GRANT INSERT ON conversation_histories, error_conversation_histories, \
             recording_rejects TO {role}"
        ))
        .await;
    limited.write(&rows).await.unwrap();
    limited.reject(&rows[0], "for the test").await.unwrap();
    assert_eq!(count_of(&limited, "s").await, 2);
    let error = limited.write(&[exchange("s", NOON + 90 * DAY)]).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("42501") && text.contains("CREATE"), "{text}");
    assert_eq!(limited.partitions().await.unwrap()[0].rows, 2);
    let error = limited.drop_partitions(NOON + DAY).await.map(drop);
    for error in [error, limited.set_daily_partition(false).await] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains("42501") && text.contains("own"), "{text}");
        assert!(text.contains("conversation_histories"), "{text}");
    }
    assert_eq!(count_of(&limited, "s").await, 2);
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn a_read_only_database_is_transient_and_can_be_read() {
    let server = Server::start(&[]);
    let database = Database::on(&server.dsn()).await;
    let rows = [exchange("s", NOON)];
    database.store().write(&rows).await.unwrap();
    let dsn = database.dsn_with("options=-cdefault_transaction_read_only%3Don");
    let store = store(&dsn, &StoreOptions::default());
    let error = store.write(&[exchange("t", NOON)]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("25006"), "{error}");
    assert_eq!(count_of(&store, "s").await, 2);
}

#[tokio::test]
async fn the_host_that_can_be_written_to_is_taken() {
    let primary = Server::start(&[]);
    let replica = Server::start(&["default_transaction_read_only=on"]);
    let (port, other) = (primary.port(), replica.port());
    let dsn = format!(
        "postgres://postgres@127.0.0.1:1,127.0.0.1:{other},127.0.0.1:{port}/postgres\
         ?target_session_attrs=read-write"
    );
    let writer = store(&dsn, &StoreOptions::default());
    writer.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(count_of(&writer, "s").await, 2);
    let dsn =
        format!("postgres://postgres@127.0.0.1:{other}/postgres?target_session_attrs=read-write");
    assert_unavailable(&dsn, "target_session_attrs").await;
}

#[tokio::test]
async fn a_connection_that_was_ended_is_opened_again() {
    let database = Database::new().await;
    let dsn = database.dsn_with("application_name=ended");
    let store = store(&dsn, &StoreOptions::default());
    store.write(&[exchange("s", NOON)]).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 2);
    database
        .execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'ended'",
        )
        .await;
    // The first may meet the connection before its end is noticed.
    let first = store.write(&[exchange("s", NOON + 1)]).await;
    assert!(first.is_ok() || first.is_err_and(|error| error.is_transient()));
    store.write(&[exchange("s", NOON + 2)]).await.unwrap();
}
