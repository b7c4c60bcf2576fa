//! An API, and the layer whose conversations it shows.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::{Future, ready},
    net::SocketAddr,
};

use axum::{Json, Router, body::Body, response::IntoResponse};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::{
    PeerAddr, Recorder, RecordingBody, RecordingLayer, RecordingLayerBuilder,
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
    _dir: Option<TempDir>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::set(|builder| builder)
    }

    /// The same with these settings.
    pub(super) fn set(set: impl FnOnce(RecordingLayerBuilder) -> RecordingLayerBuilder) -> Self {
        let dir = TempDir::new().unwrap();
        let dsn = format!("sqlite:{}", dir.path().join("history.db").display());
        Self {
            _dir: Some(dir),
            ..Self::recording(set(RecordingLayer::builder(dsn)))
        }
    }

    /// The same on a database that is there.
    pub(super) fn over(dsn: String) -> Self {
        Self::recording(RecordingLayer::builder(dsn))
    }

    fn recording(builder: RecordingLayerBuilder) -> Self {
        let recording = builder.build().unwrap();
        let keys: StaticKeys = KEYS.parse().unwrap();
        Self {
            api: api::router(recording.recorder(), keys),
            recording,
            _dir: None,
        }
    }

    pub(super) fn recorder(&self) -> Recorder {
        self.recording.recorder()
    }

    /// Lets a user, or somebody unnamed, say something to a model that says `so <that>`.
    pub(super) async fn chat(&self, session: &str, user: Option<&str>, text: &str) {
        let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
        self.ask(session, user, asked, text, ready(())).await;
    }

    /// Sends this to the model, which answers `so <that>` once it may.
    pub(super) async fn ask(
        &self,
        session: &str,
        user: Option<&str>,
        asked: Value,
        text: &str,
        may_answer: impl Future<Output = ()> + Send + 'static,
    ) {
        let answer = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "model": "m-1",
            "choices": [{ "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": format!("so {text}") } }],
            "usage": { "total_tokens": 5, "prompt_tokens": 3, "completion_tokens": 2 },
        });
        let answering = async move |request: Request<RecordingBody<Body>>| {
            request.into_body().collect().await.unwrap();
            may_answer.await;
            Ok::<_, Infallible>(Json(answer).into_response())
        };
        let answering = std::sync::Mutex::new(Some(answering));
        let model = self.recording.layer(service_fn(move |request| {
            let answering = answering.lock().unwrap().take();
            answering.expect("one request")(request)
        }));
        let request = asking(session, user, &asked);
        let response = model.oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }

    /// Lets a user say something to a model that is busy.
    pub(super) async fn refuse(&self, session: &str, user: &str, text: &str) {
        let model =
            self.recording
                .layer(service_fn(async |request: Request<RecordingBody<Body>>| {
                    request.into_body().collect().await.unwrap();
                    let busy =
                        json!({ "message": "slow down", "type": "rate_limit", "code": "busy" });
                    let refusal = (
                        StatusCode::TOO_MANY_REQUESTS,
                        Json(json!({ "error": busy })),
                    );
                    Ok::<_, Infallible>(refusal.into_response())
                }));
        let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
        let request = asking(session, Some(user), &asked);
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

    pub(super) async fn delete(&self, key: &str, path: &str) -> (StatusCode, Value) {
        self.send(key, "DELETE", path, Body::empty()).await
    }

    pub(super) async fn put(&self, key: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(key, "PUT", path, Body::from(body.to_string()))
            .await
    }

    /// What is no JSON.
    pub(super) async fn text(&self, key: &str, path: &str) -> (StatusCode, String) {
        self.raw(key, "GET", path, Body::empty()).await
    }

    pub(super) async fn raw(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Body,
    ) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(body)
            .unwrap();
        let response = self.api.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
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

/// A request to the model, from an address that is always the same.
fn asking(session: &str, user: Option<&str>, asked: &Value) -> Request<Body> {
    let mut request = Request::post("/v1/chat/completions")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-session-id", session)
        .extension(PeerAddr(SocketAddr::from(([10, 0, 0, 7], 4711))));
    if let Some(user) = user {
        request = request.header("x-user-id", user);
    }
    request.body(Body::from(asked.to_string())).unwrap()
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
