//! An API, and the layer whose conversations it shows.

use std::{collections::BTreeSet, net::SocketAddr};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use tower_recording::{
    PeerAddr, RecordingLayer,
    api::{self, StaticKeys},
};

pub(super) const KEYS: &str = "sk-alice:alice,sk-bob:bob,sk-ip:10.0.0.7,sk-portal:*";
pub(super) const ALICE: &str = "sk-alice";
pub(super) const BOB: &str = "sk-bob";
pub(super) const IP: &str = "sk-ip";
pub(super) const PORTAL: &str = "sk-portal";

/// The API, and the layer whose conversations it shows.
pub(super) struct Fixture {
    pub(super) api: Router,
    recording: RecordingLayer,
    _dir: TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let dsn = format!("sqlite:{}", dir.path().join("history.db").display());
        let recording = RecordingLayer::builder(dsn).build().unwrap();
        let keys: StaticKeys = KEYS.parse().unwrap();
        Self {
            api: api::router(recording.recorder(), keys),
            recording,
            _dir: dir,
        }
    }

    /// Lets a user, or somebody unnamed, say something to a model that says `so <that>`.
    pub(super) async fn chat(&self, session: &str, user: Option<&str>, text: &str) {
        let answer = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "model": "m-1",
            "choices": [{ "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": format!("so {text}") } }],
            "usage": { "total_tokens": 5, "prompt_tokens": 3, "completion_tokens": 2 },
        });
        let model = Router::new()
            .fallback(async move |_: Bytes| Json(answer))
            .layer(DefaultBodyLimit::disable())
            .layer(self.recording.clone());
        let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
        let mut request = Request::post("/v1/chat/completions")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-session-id", session)
            .extension(PeerAddr(SocketAddr::from(([10, 0, 0, 7], 4711))));
        if let Some(user) = user {
            request = request.header("x-user-id", user);
        }
        let request = request.body(Body::from(asked.to_string())).unwrap();
        let response = model.oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }

    /// Waits longer than a request does until what was said can be read.
    pub(super) async fn flush(&self) {
        self.recording.recorder().flush().await;
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> (StatusCode, Value) {
        self.send(key, "GET", path, Body::empty()).await
    }

    pub(super) async fn post(&self, key: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(key, "POST", path, Body::from(body.to_string()))
            .await
    }

    pub(super) async fn send(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Body,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(body)
            .unwrap();
        answer(&self.api, request).await
    }
}

pub(super) async fn answer(app: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

pub(super) fn names(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

pub(super) fn sessions(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|one| one["session_id"].as_str().unwrap())
        .collect()
}
