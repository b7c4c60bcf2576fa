//! What the gateway lets pass to the upstream, and what it keeps to itself.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Router, body::Body, extract::Request};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_recording::{RecordingLayer, store::StoredMessage};

use crate::{
    gateway::{ALICE_KEY, APPLICATION_KEY, Gateway},
    proxy::{client, gateway, json_of, request, upstream},
    servers::{mariadb, postgres},
    support::messages,
};

/// Answers with the path and the headers that came, and counts the requests.
fn echo(reached: &Arc<AtomicUsize>) -> Router {
    let reached = Arc::clone(reached);
    Router::new().fallback(async move |request: Request| {
        reached.fetch_add(1, SeqCst);
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        json!({ "uri": request.uri().to_string(), "headers": headers }).to_string()
    })
}

/// Sends a request for exactly this path, and gives the answer's status and body.
async fn ask(gateway: &Gateway, method: &str, path: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {ALICE_KEY}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).expect("a status");
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    (status.parse().expect("a number"), body)
}

#[tokio::test]
async fn no_path_leaves_the_upstreams_own() {
    let reached = Arc::default();
    let url = format!("{}/base", upstream(echo(&reached)).await);
    let (_dir, gateway) = gateway(&url, &[]).await;
    for path in [
        "/../admin",
        "/v1/../../admin",
        "/..",
        "/%2e%2e/admin",
        "/.%2E/admin",
        "/..%2fadmin",
        "/v1%2f..%2f../admin",
        "/..\\admin",
        "/v1/..%5Cadmin",
        "/%252e%252e/admin",
        "/%25252525252e%25252525252e/admin",
        "/..;a=b/admin",
        "/./admin",
        "/v1/a%00b",
        "http://elsewhere/../admin",
    ] {
        let (status, error) = ask(&gateway, "GET", path).await;
        assert_eq!(status, 400, "{path}");
        assert_eq!(error["error"]["code"], "invalid_path", "{path}");
    }
    assert_eq!(reached.load(SeqCst), 0);
    for path in [
        "/",
        "/v1/models",
        "/v1/a..b/...?path=../..",
        "/v1/%E4%BD%A0%20%25",
        "/v1/models;version=1",
    ] {
        let (status, seen) = ask(&gateway, "GET", path).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(seen["uri"], format!("/base{path}"));
    }
}

#[tokio::test]
async fn its_own_paths_never_reach_the_upstream() {
    let reached = Arc::default();
    let (_dir, gateway) = gateway(&upstream(echo(&reached)).await, &[]).await;
    for (method, path, expected) in [
        ("POST", "/conversations", 400),
        ("POST", "/conversations/", 400),
        ("GET", "/conversations/x/", 404),
        ("GET", "/conversations/user/alice/tokens", 404),
        ("POST", "/conversations/v1/chat/completions", 404),
        ("PATCH", "/conversations/x", 405),
        ("GET", "//conversations/x", 404),
        ("GET", "/%63onversations/x", 404),
        ("GET", "/search/x", 404),
        ("GET", "/partitions/x", 404),
        ("GET", "/metrics/x", 404),
        ("POST", "/docs", 405),
        ("GET", "/openapi.json/x", 404),
        ("POST", "/healthz", 405),
        ("GET", "/readyz/", 404),
    ] {
        let (status, answer) = ask(&gateway, method, path).await;
        assert_eq!(status, expected, "{method} {path}");
        let error = answer["error"].as_object().expect("an error");
        let names: Vec<&str> = error.keys().map(String::as_str).collect();
        assert_eq!(names, ["code", "message", "param", "type"], "{path}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    for path in ["/healthz", "/readyz", "/docs", "/openapi.json"] {
        let asked = http::Request::get(gateway.url(path)).body(Body::empty());
        let answer = client(false).request(asked.unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(reached.load(SeqCst), 0);
}

#[tokio::test]
async fn what_is_said_to_the_gateway_is_recorded_and_not_sent_on() {
    let reached = Arc::default();
    let (dir, gateway) = gateway(&upstream(echo(&reached)).await, &[]).await;
    let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "well?" }] });
    let body = Body::from(asked.to_string());
    let mut request = request(&gateway, Method::POST, "/v1/chat/completions", body);
    let ours = [
        ("cookie", "session=secret"),
        ("x-session-id", "secret-talk"),
        ("x-user-id", "secret-user"),
        ("x-tag-team", "secret-team"),
        ("x-tag-", "secret"),
    ];
    for (name, value) in ours {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let kept = ("x-tagged", "kept");
    request
        .headers_mut()
        .insert(kept.0, kept.1.parse().unwrap());
    let answer = client(false).request(request).await.unwrap();
    let seen = json_of(answer.into_body()).await;
    let headers = seen["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(kept)), "{seen}");
    assert!(!seen.to_string().contains("secret"), "{seen}");

    let rows = ended(gateway, dir.path(), "secret-talk").await;
    assert_eq!(rows[0].exchange.user_id, "alice");
    let tags: Value = serde_json::from_str(rows[0].exchange.tags.as_deref().unwrap()).unwrap();
    assert_eq!(tags["team"], "secret-team");
}

#[tokio::test]
async fn a_key_is_told_by_the_same_token_after_a_restart() {
    let mut tokens = Vec::new();
    let model = upstream(echo(&Arc::default())).await;
    for key in [ALICE_KEY, ALICE_KEY, APPLICATION_KEY] {
        let (dir, gateway) = gateway(&model, &[]).await;
        let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "well?" }] });
        let body = Body::from(asked.to_string());
        let mut request = request(&gateway, Method::POST, "/v1/chat/completions", body);
        let headers = request.headers_mut();
        headers.insert("x-session-id", "s".parse().unwrap());
        headers.insert(
            header::AUTHORIZATION,
            format!("Bearer {key}").parse().unwrap(),
        );
        let answer = client(false).request(request).await.unwrap();
        json_of(answer.into_body()).await;
        let rows = ended(gateway, dir.path(), "s").await;
        tokens.push(rows[0].exchange.token_id.clone().unwrap());
    }
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[0], tokens[2]);
    for (token, key) in tokens.iter().zip([ALICE_KEY, ALICE_KEY, APPLICATION_KEY]) {
        assert_eq!(token.len(), 16);
        assert!(token.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let plain = blake3::hash(key.as_bytes()).to_hex();
        assert!(!plain.starts_with(&token[..8]), "a hash that others have");
    }
}

/// Ends the gateway, and reads what it recorded of this conversation.
async fn ended(gateway: Gateway, dir: &Path, session: &str) -> Vec<StoredMessage> {
    gateway.terminate();
    let status = tokio::task::spawn_blocking(|| gateway.wait()).await;
    assert!(status.unwrap().success());
    let database = dir.join("conversations.db");
    let reader = RecordingLayer::new(format!("sqlite:{}", database.display())).recorder();
    messages(&reader, session).await
}

#[tokio::test]
async fn crates_that_print_what_they_carry_stay_quiet_unless_they_are_named() {
    let model = upstream(echo(&Arc::default())).await;
    for (filter, speak) in [
        ("trace", false),
        ("off,tower_recording=trace,trace", false),
        ("info", false),
        ("trace,hyper=trace", true),
    ] {
        let (_dir, gateway) = gateway(&model, &[("RUST_LOG", filter)]).await;
        let body = Body::from("{}");
        let request = request(&gateway, Method::POST, "/v1/chat/completions", body);
        let answer = client(true).request(request).await.unwrap();
        json_of(answer.into_body()).await;
        gateway.terminate();
        let log = Arc::clone(gateway.log());
        tokio::task::spawn_blocking(move || log.line_with("the recorder has shut down"))
            .await
            .unwrap();
        let lines = gateway.log().lines();
        let of = |target: &str| {
            let quiet = |line: &&String| line.contains(" INFO ") || line.contains(" WARN ");
            let lines = lines.iter().filter(|line| !quiet(line));
            lines.filter(|line| line.contains(target)).count()
        };
        assert_eq!(of("hyper_util::") > 0, speak, "{filter}");
        assert_eq!(of("h2::"), 0, "{filter}");
    }
}

#[tokio::test]
async fn what_was_said_is_in_no_line_unless_the_crate_that_prints_it_is_named() {
    const SAID: &str = "hunter2";
    // A statement's parameters are printed so.
    let bytes = SAID.bytes().map(|byte| byte.to_string());
    let in_bytes = bytes.collect::<Vec<_>>().join(", ");
    let (postgres, mariadb) = (
        postgres::Database::new().await,
        mariadb::Database::new().await,
    );
    let model = upstream(echo(&Arc::default())).await;
    for (dsn, filter, speak) in [
        (postgres.dsn(), "trace", false),
        (postgres.dsn(), "trace,tokio_postgres=debug", true),
        (mariadb.dsn(), "trace", false),
    ] {
        let variables = [("RUST_LOG", filter), ("MES_SQL_DSN", &*dsn)];
        let (_dir, gateway) = gateway(&model, &variables).await;
        let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": SAID }] });
        let body = Body::from(asked.to_string());
        let request = request(&gateway, Method::POST, "/v1/chat/completions", body);
        let answer = client(false).request(request).await.unwrap();
        json_of(answer.into_body()).await;
        gateway.terminate();
        let log = Arc::clone(gateway.log());
        tokio::task::spawn_blocking(move || log.line_with("1 exchanges written, 0 left"))
            .await
            .unwrap();
        let lines = gateway.log().lines();
        let says = |line: &String| line.contains(SAID) || line.contains(&in_bytes);
        assert_eq!(lines.iter().any(says), speak, "{filter}");
    }
}
