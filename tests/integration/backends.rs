//! The same gateway over each database: what is said is read back.

use axum::{Router, body::Bytes, routing::post};
use http::Version;
use tower::Layer;
use tower_recording::RecordingLayer;

use crate::{
    servers::{mariadb, postgres},
    support::{chat, client, conversation, errors, messages, send, serve, sqlite_dsn},
};

const ANSWER: &str = concat!(
    r#"{"id":"r1","model":"m-2025","choices":[{"index":0,"finish_reason":"stop","message":"#,
    r#"{"role":"assistant","content":"naïve 😄\u0000"}}],"usage":{"total_tokens":9007199254740993}}"#
);

async fn answer(asked: Bytes) -> Result<&'static str, (http::StatusCode, &'static str)> {
    if asked.windows(4).any(|bytes| bytes == b"fail") {
        return Err((
            http::StatusCode::TOO_MANY_REQUESTS,
            r#"{"error":{"message":"slow down","type":"rate_limit","code":"busy"}}"#,
        ));
    }
    Ok(ANSWER)
}

async fn records_and_reads(dsn: String) {
    let layer = RecordingLayer::new(dsn);
    let recorder = layer.recorder();
    let app = Router::new().route("/v1/chat/completions", post(answer));
    let address = serve(layer.layer(app)).await;
    let client = client(Version::HTTP_11);
    for text in ["hello", "again", "fail"] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        send(&client, chat(address, "talk", body)).await;
    }
    let rows = messages(&recorder, "talk").await;
    let said: Vec<_> = rows
        .iter()
        .map(|row| row.message.content.as_str())
        .collect();
    assert_eq!(said, ["hello", "naïve 😄␛00", "again", "naïve 😄␛00"]);
    assert_eq!(
        rows[1].message.usage.total_tokens,
        Some(9_007_199_254_740_993)
    );
    let failed = errors(&recorder, "talk").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].error.error_code, 429);
    assert_eq!(failed[0].error.error_message, "slow down");
    let talk = conversation(&recorder, "talk").await;
    assert_eq!(
        (talk.message_count, talk.title.as_deref()),
        (4, Some("hello"))
    );
    assert_eq!(talk.updated_at, failed[0].exchange.created_at);
    let report = recorder.shutdown(std::time::Duration::from_secs(20)).await;
    assert_eq!((report.written, report.left), (3, 0));
}

#[tokio::test]
async fn what_is_said_is_read_back_from_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    records_and_reads(sqlite_dsn(folder.path())).await;
}

#[tokio::test]
async fn what_is_said_is_read_back_from_postgresql() {
    let database = postgres::Database::new().await;
    records_and_reads(database.dsn()).await;
}

#[tokio::test]
async fn what_is_said_is_read_back_from_mariadb() {
    let database = mariadb::Database::new().await;
    records_and_reads(database.dsn()).await;
}
