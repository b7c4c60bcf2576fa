//! A gateway before a model that answers what it is told to, and the history of both.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::header::CONTENT_TYPE};
use http::{Request, StatusCode, Version, header::AUTHORIZATION};
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower_recording::{
    Recorder, RecordingLayer,
    api::{self, StaticKeys},
    conversation::Role,
    store::StoredMessage,
};

use super::models::Answer;
use crate::support::{HttpClient, client, messages, send, serve, sqlite_dsn};

const KEYS: &str = "sk-portal:*";
/// The headers of one request.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

type Script = Arc<Mutex<VecDeque<Answer>>>;

/// The gateway, its database and its history API.
pub struct Gateway {
    address: SocketAddr,
    client: HttpClient,
    script: Script,
    recorder: Recorder,
    folder: Arc<TempDir>,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::over(Arc::new(tempfile::tempdir().expect("a folder"))).await
    }

    /// Another process, on the same database.
    pub async fn another(&self) -> Self {
        Self::over(Arc::clone(&self.folder)).await
    }

    async fn over(folder: Arc<TempDir>) -> Self {
        let layer = RecordingLayer::new(sqlite_dsn(folder.path()));
        let recorder = layer.recorder();
        let keys: StaticKeys = KEYS.parse().expect("keys");
        let script = Script::default();
        let model = Router::new().fallback(answer).with_state(script.clone());
        let app = Router::new()
            .nest("/history", api::router(recorder.clone(), keys))
            .fallback_service(model.layer(layer));
        Self {
            address: serve(app).await,
            client: client(Version::HTTP_11),
            script,
            recorder,
            folder,
        }
    }

    /// Asks the model, which answers this; the client gets just that.
    pub async fn ask(&self, path: &str, headers: Headers<'_>, asked: &Value, answer: Answer) {
        let expected = answer.body.clone();
        self.script.lock().expect("a script").push_back(answer);
        let mut request = Request::post(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(asked.to_string()))
            .expect("a request");
        let (head, body) = send(&self.client, request).await;
        assert_eq!((head.status, body), (StatusCode::OK, expected.into()));
    }

    /// Waits until what was asked is stored.
    pub async fn flush(&self) {
        self.recorder.flush().await;
    }

    async fn get(&self, path: &str) -> Value {
        let request = Request::get(format!("http://{}/history{path}", self.address))
            .header(AUTHORIZATION, "Bearer sk-portal")
            .body(Full::default())
            .expect("a request");
        let (head, body) = send(&self.client, request).await;
        assert_eq!(head.status, StatusCode::OK, "{path}");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// The conversation as the API shows it: a line a message, as [`told`] says it.
    pub async fn reads(&self, session: &str) -> Vec<String> {
        let shown = self
            .get(&format!("/conversations/{session}?limit=200"))
            .await;
        assert_eq!(shown["has_more"], json!(false));
        let messages = shown["messages"].as_array().expect("messages");
        messages.iter().map(told).collect()
    }

    /// The session ids of this user's conversations, in the order of the alphabet.
    pub async fn sessions(&self, user: &str) -> Vec<String> {
        let list = self.get(&format!("/conversations/user/{user}")).await;
        let data = list["data"].as_array().expect("conversations").iter();
        let ids = data.map(|one| one["session_id"].as_str().expect("an id").to_owned());
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    }

    pub async fn title(&self, session: &str) -> Value {
        let mut shown = self.get(&format!("/conversations/{session}")).await;
        shown["title"].take()
    }

    /// Every row of the conversation, whichever branch it stands on.
    pub async fn rows(&self, session: &str) -> Vec<StoredMessage> {
        messages(&self.recorder, session).await
    }

    /// How many rows hold what was said, and how many what the model was told before.
    pub async fn counts(&self, session: &str) -> (usize, usize) {
        let rows = self.rows(session).await;
        let told_before = |row: &&StoredMessage| {
            row.message.prompt_hash.is_some() && row.message.role != Role::Assistant
        };
        let prompts = rows.iter().filter(told_before).count();
        (rows.len() - prompts, prompts)
    }

    /// The session id of the conversation that this one was begun from.
    pub async fn parent(&self, session: &str) -> Option<String> {
        self.recorder.flush().await;
        let file = self.folder.path().join("test.db");
        let database = rusqlite::Connection::open(file).expect("the database");
        let parent = database.query_row(
            "SELECT parent.session_id FROM conversations AS own LEFT JOIN conversations AS parent \
             ON parent.id = own.parent_conversation_id WHERE own.session_id = ?1",
            [session],
            |row| row.get(0),
        );
        parent.expect("the conversation")
    }
}

async fn answer(
    State(script): State<Script>,
    _: Bytes,
) -> ([(http::HeaderName, &'static str); 1], String) {
    let answer = script.lock().expect("a script").pop_front();
    let Answer { kind, body } = answer.expect("an answer");
    ([(CONTENT_TYPE, kind)], body)
}

/// `role: text`, then the ids of calls, or of the call that this is the result of.
fn told(message: &Value) -> String {
    let text = |key: &str| message[key].as_str().expect("text");
    let mut told = format!("{}: {}", text("role"), text("content"));
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    for call in calls {
        told += &format!(" +{}", call["id"].as_str().expect("an id"));
    }
    if let Some(id) = message["tool_call_id"].as_str() {
        told += &format!(" ={id}");
    }
    told
}
