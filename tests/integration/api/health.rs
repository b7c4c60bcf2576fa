//! Whether the process lives, and whether it records.

use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::{
    RecordingLayer,
    api::{self, StaticKeys},
};

use super::fixture::{Fixture, KEYS};
use crate::support::{Mood, Shelf, chat_completion};

fn keys() -> StaticKeys {
    KEYS.parse().unwrap()
}

/// The status of this path, and the error's code where there is one. Nobody needs a key.
async fn probe(api: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = api.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let retry = response.headers().contains_key(header::RETRY_AFTER);
    assert_eq!(retry, status == StatusCode::SERVICE_UNAVAILABLE);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = error["error"]["code"].as_str().unwrap_or_default();
    (status, code.to_owned())
}

#[tokio::test]
async fn what_lives_and_records_says_so() {
    let fixture = Fixture::new();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(probe(&fixture.api, path).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn without_its_store_it_lives_and_is_not_ready() {
    let dir = TempDir::new().unwrap();
    let dsn = format!("sqlite:{}", dir.path().join("absent/history.db").display());
    let api = api::router(RecordingLayer::new(dsn).recorder(), keys());
    assert_eq!(probe(&api, "/healthz").await.0, StatusCode::OK);
    let (status, code) = probe(&api, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(code, "store_unavailable");
}

#[tokio::test]
async fn with_a_full_queue_it_is_not_ready() {
    let shelf = Shelf::new();
    shelf.turn(Mood::Blocked);
    let layer = shelf.layer().queue_exchanges(4).batch_rows(1).build();
    let layer = layer.unwrap();
    let recorder = layer.recorder();
    let api = api::router(recorder.clone(), keys());
    assert_eq!(probe(&api, "/readyz").await.0, StatusCode::OK);
    let model = layer.layer(service_fn(async |_| {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::from("{}")))
    }));
    // What is in the writer's hands is no longer in the queue.
    let mut full = false;
    for number in 0..1000 {
        let request = chat_completion(&format!("s{number}"), "{}");
        let answer = model.clone().oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
        let (status, code) = probe(&api, "/readyz").await;
        if status != StatusCode::OK {
            assert_eq!(code, "queue_full");
            full = true;
            break;
        }
    }
    assert!(full);
    shelf.turn(Mood::Willing);
    recorder.flush().await;
    assert_eq!(probe(&api, "/readyz").await.0, StatusCode::OK);
}
