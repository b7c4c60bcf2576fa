//! What is refused, and how.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use tower_recording::{
    RecordingLayer,
    api::{self, StaticKeys},
};

use super::fixture::{ALICE, Fixture, KEYS, names};

#[tokio::test]
async fn without_a_valid_key_every_route_answers_401() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    for (method, path) in [
        ("GET", "/conversations/s"),
        ("GET", "/conversations/absent"),
        ("GET", "/conversations/user/alice"),
        ("POST", "/conversations/s/messages"),
        ("POST", "/conversations/user/messages"),
        ("DELETE", "/conversations/s"),
    ] {
        for authorization in ["", "Bearer sk-wrong", "Basic sk-alice", "sk-alice"] {
            let request = Request::builder().method(method).uri(path);
            let request = request.header(header::AUTHORIZATION, authorization);
            let request = request.body(Body::empty()).unwrap();
            let response = fixture.api.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let error: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                names(&error["error"]),
                BTreeSet::from(["code", "message", "param", "type"])
            );
            assert_eq!(error["error"]["type"], "authentication_error");
        }
    }
}

#[tokio::test]
async fn what_is_malformed_or_out_of_bounds_is_refused_by_name() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    for (path, status, param) in [
        ("/conversations/s?limit=0", 422, "limit"),
        ("/conversations/s?limit=501", 422, "limit"),
        ("/conversations/s?limit=-1", 422, "limit"),
        ("/conversations/s?limit=ten", 422, "limit"),
        ("/conversations/s?limit=", 422, "limit"),
        ("/conversations/user/alice?limit=501", 422, "limit"),
        ("/conversations/user/alice?offset=10001", 422, "offset"),
        ("/conversations/user/alice?offset=-1", 422, "offset"),
        ("/conversations/user", 422, "session_id"),
        ("/conversations/%FF", 400, ""),
        ("/conversations/user/%FF", 400, ""),
        ("/conversations/s?limit=1&limit=2", 400, ""),
        ("/conversations/s?limt=1", 400, ""),
        ("/conversations/user/alice?tree=true", 400, ""),
        ("/conversations/user/alice/stats?form=2025-01-01", 400, ""),
        ("/search?q=a&user=bob", 400, ""),
    ] {
        let (answered, error) = fixture.get(ALICE, path).await;
        assert_eq!(answered, status, "{path}: {error}");
        let (_, name) = path.rsplit_once(['?', '&']).unwrap_or_default();
        let (name, _) = name.split_once('=').unwrap_or_default();
        assert!(
            error["error"]["message"].as_str().unwrap().contains(name),
            "{error}"
        );
        assert_eq!(error["error"]["param"].as_str().unwrap_or_default(), param);
        assert_eq!(error["error"]["type"], "invalid_request_error");
    }
    for (body, status, param) in [
        ("", 400, ""),
        ("[]", 400, ""),
        ("{\"role\": \"secret", 400, ""),
        (
            r#"{"role":"user","content":"a","colour":"secret"}"#,
            400,
            "colour",
        ),
        (r#"{"content":"secret"}"#, 400, "role"),
        (r#"{"role":"user"}"#, 400, "content"),
        (r#"{"role":"user","content":["secret"]}"#, 400, "content"),
        (r#"{"role":"user","content":null}"#, 400, "content"),
        (r#"{"role":7,"content":"a"}"#, 400, "role"),
        (r#"{"role":"secret","content":"a"}"#, 422, "role"),
        (
            r#"{"role":"user","content":"a","token_count":-1}"#,
            422,
            "token_count",
        ),
        (
            r#"{"role":"user","content":"a","token_count":1.5}"#,
            422,
            "token_count",
        ),
        (
            r#"{"role":"user","content":"a","token_count":"secret"}"#,
            400,
            "token_count",
        ),
        (
            r#"{"role":"user","content":"a","model_name":""}"#,
            422,
            "model_name",
        ),
    ] {
        let path = "/conversations/s/messages";
        let (answered, error) = fixture.send(ALICE, "POST", path, Body::from(body)).await;
        assert_eq!(answered, status, "{body}: {error}");
        assert_eq!(error["error"]["param"].as_str().unwrap_or_default(), param);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let (status, _) = fixture
        .send(ALICE, "PATCH", "/conversations/s", Body::empty())
        .await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let message = json!({ "role": "user", "content": "x".repeat(1024 * 1024) });
    let (status, error) = fixture
        .post(ALICE, "/conversations/s/messages", message)
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{error}");
    let message = json!({ "role": "user", "content": "a" });
    for path in [
        "/conversations/user/messages",
        "/conversations/absent/messages",
    ] {
        let (status, _) = fixture.post(ALICE, path, message.clone()).await;
        assert!(status.is_client_error(), "{path}");
    }
    let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(shown["message_count"], 2);
}

#[tokio::test]
async fn a_store_that_is_away_answers_503() {
    let dir = TempDir::new().unwrap();
    let dsn = format!("sqlite:{}", dir.path().join("absent/history.db").display());
    let recording = RecordingLayer::builder(dsn).build().unwrap();
    let keys: StaticKeys = KEYS.parse().unwrap();
    let api = api::router(recording.recorder(), keys);
    for path in ["/conversations/s", "/conversations/user/alice"] {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {ALICE}"))
            .body(Body::empty())
            .unwrap();
        let response = api.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains("absent"));
    }
}
