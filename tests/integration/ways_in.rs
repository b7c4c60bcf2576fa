//! Building a layer, and what its recorder promises.

use std::{path::Path, process::Command, time::Duration};

use axum::{Router, body::Bytes, routing::post};
use http::Version;
use tower::Layer;
use tower_recording::{RecordingLayer, store::Store};

use crate::support::{chat, client, messages, send, serve, sqlite_dsn};

const SAID: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;

fn app() -> Router {
    let answer =
        |_: Bytes| async { r#"{"choices":[{"message":{"role":"assistant","content":"hi"}}]}"# };
    Router::new().route("/v1/chat/completions", post(answer))
}

#[test]
fn a_layer_can_be_made_before_there_is_a_runtime() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::new(sqlite_dsn(folder.path()));
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let address = serve(layer.layer(app())).await;
            send(&client(Version::HTTP_11), chat(address, "s", SAID)).await;
            layer.recorder().flush().await;
        });
    }
    assert_eq!(layer.recorder().metrics().written, 2);
}

#[test]
fn a_malformed_dsn_is_refused_without_showing_it() {
    for dsn in [
        "postgres://me:s3cret@[bad/db",
        "mysql://me:s3cret@host:notaport/db",
        "me:s3cret@tcp(host:notaport)/db",
        "oracle://me:s3cret@host/db",
        "",
    ] {
        let error = RecordingLayer::try_new(dsn).expect_err("no layer");
        let told = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!told.contains("s3cret"), "{told}");
        let panic = std::panic::catch_unwind(|| RecordingLayer::new(dsn)).expect_err("a panic");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.starts_with("the DSN is not usable: "), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[test]
fn a_setting_out_of_bounds_is_named() {
    let local = || RecordingLayer::builder("sqlite::memory:");
    for (builder, name) in [
        (local().batch_rows(0), "batch_rows"),
        (local().budget_bytes(0), "budget_bytes"),
        (local().writer_threads(0), "writer_threads"),
        (local().queue_exchanges(0), "queue_exchanges"),
        (local().session_header("no header"), "session_header"),
        (local().tag_prefix("X-"), "tag_prefix"),
        (local().tag_prefix("no header"), "tag_prefix"),
        (local().exchange_id_header("ü"), "exchange_id_header"),
        (local().read_dsn("oracle://me:s3cret@h"), "read_dsn"),
        (local().read_dsn("sqlite:copy.db"), "read_dsn"),
    ] {
        let error = builder.build().expect_err("no layer").to_string();
        assert!(error.contains(name) && !error.contains("s3cret"), "{error}");
    }
}

/// What the next test runs in a process of its own, since an environment belongs to a process.
#[test]
fn prints_what_the_environment_says() {
    if std::env::var_os("PRINT_WHAT_THE_ENVIRONMENT_SAYS").is_none() {
        println!("skipped: runs within `the_environment_is_read_and_a_bad_variable_is_named`");
        return;
    }
    match RecordingLayer::from_env() {
        Ok(layer) => println!("store {:?}", layer.recorder().store()),
        Err(error) => println!("error {error}"),
    }
}

#[test]
fn the_environment_is_read_and_a_bad_variable_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |variables: &[(&str, &str)]| {
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "ways_in::prints_what_the_environment_says",
                "--nocapture",
            ])
            .current_dir(folder.path())
            .env_remove("MES_SQL_DSN")
            .env_remove("SQL_DSN")
            .env_remove("READ_SQL_DSN")
            .env("PRINT_WHAT_THE_ENVIRONMENT_SAYS", "1")
            .envs(variables.iter().copied())
            .output()
            .expect("output");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let cases: [(&[(&str, &str)], &str); 14] = [
        (
            &[("SQL_DSN", "oracle://h"), ("MES_SQL_DSN", "")],
            "error the DSN in the environment variable SQL_DSN is not usable",
        ),
        (
            &[("MES_RETENTION_DAYS", "forever")],
            "error the environment variable MES_RETENTION_DAYS",
        ),
        (&[], "conversations.db"),
        (&[("SQL_DSN", "sqlite:main.db")], "main.db"),
        (
            &[
                ("SQL_DSN", "sqlite:main.db"),
                ("MES_SQL_DSN", "sqlite:mes.db"),
            ],
            "mes.db",
        ),
        (
            &[("SQL_DSN", "sqlite:main.db"), ("MES_SQL_DSN", "")],
            "main.db",
        ),
        (
            &[("MES_DAILY_PARTITION", "maybe")],
            "error the environment variable MES_DAILY_PARTITION",
        ),
        (
            &[("SQL_MAX_OPEN_CONNS", "0")],
            "error the environment variable SQL_MAX_OPEN_CONNS",
        ),
        (
            &[("SQL_MAX_IDLE_CONNS", "-1")],
            "error the environment variable SQL_MAX_IDLE_CONNS",
        ),
        (
            &[("READ_SQL_DSN", "postgres://me:s3cret@[bad/db")],
            "error the replica's DSN in READ_SQL_DSN is not usable",
        ),
        (
            &[("READ_SQL_DSN", "postgres://me:s3cret@h/db")],
            "error the replica's DSN in READ_SQL_DSN is not usable",
        ),
        (&[("READ_SQL_DSN", "sqlite:copy.db")], "copy.db"),
        (
            &[("SQL_MAX_LIFETIME", "5m")],
            "error the environment variable SQL_MAX_LIFETIME",
        ),
        (
            &[
                ("MES_DAILY_PARTITION", "false"),
                ("SQL_MAX_LIFETIME", "300"),
            ],
            "conversations.db",
        ),
    ];
    for (variables, expected) in cases {
        let said = run(variables);
        assert!(said.contains(expected), "{variables:?}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn requests_flow_while_the_database_is_away_and_are_stored_when_it_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let later = folder.path().join("later");
    let layer = RecordingLayer::new(sqlite_dsn(&later));
    let recorder = layer.recorder();
    let address = serve(layer.layer(app())).await;
    let client = client(Version::HTTP_11);
    for number in 0..20 {
        let (head, _) = send(&client, chat(address, &format!("s{number}"), SAID)).await;
        assert_eq!(head.status, 200);
    }
    assert_eq!(recorder.metrics().written, 0);
    assert_eq!(recorder.metrics().pending(), 20);
    std::fs::create_dir(&later).expect("a folder");
    for number in 0..20 {
        assert_eq!(messages(&recorder, &format!("s{number}")).await.len(), 2);
    }
    assert_eq!(recorder.metrics().pending(), 0);
}

#[tokio::test]
async fn a_shutdown_drains_and_reports_and_later_exchanges_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::builder(sqlite_dsn(folder.path()))
        .flush_interval(Duration::from_secs(60))
        .build()
        .expect("a layer");
    let recorder = layer.recorder();
    let address = serve(layer.layer(app())).await;
    let client = client(Version::HTTP_11);
    for number in 0..50 {
        send(&client, chat(address, &format!("s{number}"), SAID)).await;
    }
    let report = recorder.shutdown(Duration::from_secs(20)).await;
    assert_eq!((report.written, report.left), (50, 0), "{report}");
    send(&client, chat(address, "late", SAID)).await;
    assert_eq!(recorder.metrics().dropped_shutdown, 1);
    assert_eq!(recorder.metrics().pending(), 0);
    recorder.flush().await;
}

#[tokio::test]
async fn a_shutdown_ends_at_its_deadline_and_says_what_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::new(sqlite_dsn(&folder.path().join("never")));
    let recorder = layer.recorder();
    let address = serve(layer.layer(app())).await;
    let client = client(Version::HTTP_11);
    for _ in 0..3 {
        send(&client, chat(address, "s", SAID)).await;
    }
    let report = recorder.shutdown(Duration::from_millis(200)).await;
    assert_eq!((report.written, report.left), (0, 3), "{report}");
    let metrics = recorder.metrics();
    assert_eq!((metrics.pending(), metrics.captured_bytes), (0, 0));
}

/// Waits until the one exchange of this session stands in the database in this folder.
async fn is_stored(folder: &Path, session: &str) {
    let reader = RecordingLayer::new(sqlite_dsn(folder));
    let store = reader.recorder();
    let store: &dyn Store = &**store.store();
    for _ in 0..500 {
        let found = store.conversations_named("", session).await;
        if found.is_ok_and(|found| found.len() == 1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the exchange was not drained");
}

#[tokio::test]
async fn dropping_the_last_handle_drains() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::builder(sqlite_dsn(folder.path()))
        .flush_interval(Duration::from_secs(60))
        .build()
        .expect("a layer");
    let mut service = layer.layer(app());
    let request = chat("127.0.0.1:1".parse().expect("an address"), "dropped", SAID);
    let response = tower::Service::call(&mut service, request)
        .await
        .expect("an answer");
    http_body_util::BodyExt::collect(response)
        .await
        .expect("a body");
    drop((layer, service));
    is_stored(folder.path(), "dropped").await;
}

#[tokio::test]
async fn a_response_that_outlives_every_handle_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::new(sqlite_dsn(folder.path()));
    let request = chat("127.0.0.1:1".parse().expect("an address"), "outlives", SAID);
    let response = tower::ServiceExt::oneshot(layer.layer(app()), request)
        .await
        .expect("an answer");
    drop(layer);
    // The writers have seen by then that nobody holds the recorder.
    tokio::time::sleep(Duration::from_millis(300)).await;
    http_body_util::BodyExt::collect(response)
        .await
        .expect("a body");
    is_stored(folder.path(), "outlives").await;
}
