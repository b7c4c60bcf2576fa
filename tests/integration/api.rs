//! The history API over conversations that the layer recorded.

use std::{collections::BTreeSet, net::SocketAddr};

use axum::{
    Json, Router,
    body::{Body, Bytes},
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

const KEYS: &str = "sk-alice:alice,sk-bob:bob,sk-ip:10.0.0.7,sk-portal:*";
const ALICE: &str = "sk-alice";
const BOB: &str = "sk-bob";
const IP: &str = "sk-ip";
const PORTAL: &str = "sk-portal";

/// The API, and the layer whose conversations it shows.
struct Fixture {
    api: Router,
    recording: RecordingLayer,
    _dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
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
    async fn chat(&self, session: &str, user: Option<&str>, text: &str) {
        let answer = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "model": "m-1",
            "choices": [{ "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": format!("so {text}") } }],
            "usage": { "total_tokens": 5, "prompt_tokens": 3, "completion_tokens": 2 },
        });
        let model = Router::new()
            .fallback(async move |_: Bytes| Json(answer))
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

    async fn get(&self, key: &str, path: &str) -> (StatusCode, Value) {
        self.send(key, "GET", path, Body::empty()).await
    }

    async fn post(&self, key: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(key, "POST", path, Body::from(body.to_string()))
            .await
    }

    async fn send(&self, key: &str, method: &str, path: &str, body: Body) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(body)
            .unwrap();
        answer(&self.api, request).await
    }
}

async fn answer(app: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn names(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn sessions(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|one| one["session_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_conversation_shows_what_was_said() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "你好\nworld").await;
    for key in [ALICE, PORTAL] {
        let (status, shown) = fixture.get(key, "/conversations/s").await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        let expected = "id session_id title user_identifier created_at updated_at message_count \
                        session_source messages has_more";
        assert_eq!(names(&shown), expected.split_whitespace().collect());
        assert_eq!(shown["session_id"], "s");
        assert_eq!(shown["title"], "你好");
        assert_eq!(shown["user_identifier"], "alice");
        assert_eq!(shown["message_count"], 2);
        assert_eq!(shown["session_source"], "x-session-id");
        assert_eq!(shown["has_more"], false);
        let created = shown["created_at"].as_str().unwrap();
        assert!(created.len() == 24 && created.ends_with('Z'), "{created}");

        let messages = shown["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 2);
        let expected = "id conversation_id message_id parent_id exchange_id choice_index role \
            content request_model model_name provider status token_count timestamp prompt_tokens \
            completion_tokens total_tokens cached_tokens cache_write_tokens reasoning_tokens usage \
            is_stream finish_reason outcome truncated first_token_ms latency_ms other";
        assert_eq!(names(&messages[0]), expected.split_whitespace().collect());
        let [asked, answered] = &messages[..] else {
            unreachable!()
        };
        assert_eq!(asked["role"], "user");
        assert_eq!(asked["content"], "你好\nworld");
        assert_eq!(asked["usage"], Value::Null);
        assert_eq!(asked["timestamp"], shown["created_at"]);
        assert_eq!(answered["role"], "assistant");
        assert_eq!(answered["content"], "so 你好\nworld");
        assert_eq!(answered["conversation_id"], shown["id"]);
        assert_eq!(answered["message_id"], "chatcmpl-1");
        assert_eq!(answered["request_model"], "m");
        assert_eq!(answered["model_name"], "m-1");
        assert_eq!(answered["total_tokens"], 5);
        assert_eq!(answered["usage"]["prompt_tokens"], 3);
        assert_eq!(answered["outcome"], "complete");
        assert_eq!(answered["truncated"], "0");
        assert_eq!(answered["is_stream"], false);
    }
    let (_, latest) = fixture
        .get(ALICE, "/conversations/s?limit=1&other=ignored")
        .await;
    assert_eq!(latest["messages"][0]["role"], "assistant");
    assert_eq!(latest["has_more"], true);
}

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
async fn another_users_conversation_does_not_exist() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("bob"), "bob's secret").await;
    let (_, bobs) = fixture.get(BOB, "/conversations/s").await;
    let bobs_id = bobs["id"].as_str().unwrap();
    let message = json!({ "role": "user", "content": "mine now" });
    let absent = fixture.get(ALICE, "/conversations/absent").await;
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    assert_eq!(absent.1["error"]["code"], "conversation_not_found");
    for name in ["s", bobs_id] {
        let path = format!("/conversations/{name}");
        assert_eq!(fixture.get(ALICE, &path).await, absent);
        let path = format!("{path}/messages");
        assert_eq!(fixture.post(ALICE, &path, message.clone()).await, absent);
    }
    let (status, error) = fixture.get(ALICE, "/conversations/user/bob").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(error["error"]["type"], "permission_error");
    let (_, list) = fixture.get(ALICE, "/conversations/user/alice").await;
    assert_eq!(list, json!({ "data": [], "has_more": false, "next": null }));
    let (_, after) = fixture.get(BOB, "/conversations/s").await;
    assert_eq!(after, bobs);
}

#[tokio::test]
async fn a_session_id_of_several_users_names_each_ones_own_and_an_application_must_choose() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "alice's").await;
    fixture.chat("s", Some("bob"), "bob's").await;
    let mut ids = BTreeSet::new();
    for (key, text) in [(ALICE, "alice's"), (BOB, "bob's")] {
        let (_, own) = fixture.get(key, "/conversations/s").await;
        assert_eq!(own["messages"][0]["content"], text);
        let id = own["id"].as_str().unwrap().to_owned();
        for key in [key, PORTAL] {
            let by_id = fixture.get(key, &format!("/conversations/{id}")).await;
            assert_eq!(by_id, (StatusCode::OK, own.clone()));
        }
        ids.insert(id);
    }
    let message = json!({ "role": "user", "content": "to whom?" });
    for (status, error) in [
        fixture.get(PORTAL, "/conversations/s").await,
        fixture
            .post(PORTAL, "/conversations/s/messages", message)
            .await,
    ] {
        assert_eq!(status, StatusCode::CONFLICT);
        let named = error["error"]["ids"].as_array().unwrap();
        let named: BTreeSet<String> = named
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(named, ids);
    }
}

#[tokio::test]
async fn a_session_named_by_anothers_id_does_not_stand_before_it() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "alice's").await;
    let (_, own) = fixture.get(ALICE, "/conversations/s").await;
    let id = own["id"].as_str().unwrap();
    fixture.chat(id, Some("bob"), "bob's").await;
    let path = format!("/conversations/{id}");
    let (_, shown) = fixture.get(PORTAL, &path).await;
    assert_eq!(shown["messages"][0]["content"], "alice's");
    let (_, shown) = fixture.get(BOB, &path).await;
    assert_eq!(shown["messages"][0]["content"], "bob's");
}

#[tokio::test]
async fn a_user_named_like_an_address_does_not_read_what_came_from_it() {
    let fixture = Fixture::new();
    fixture.chat("unnamed", None, "whose?").await;
    fixture.chat("named-1", Some("10.0.0.7"), "mine").await;
    fixture.chat("unnamed-2", None, "whose?").await;
    fixture.chat("named-2", Some("10.0.0.7"), "mine").await;
    let (_, of_application) = fixture.get(PORTAL, "/conversations/user/10.0.0.7").await;
    assert_eq!(sessions(&of_application).len(), 4);
    let (_, unnamed) = fixture.get(PORTAL, "/conversations/unnamed").await;
    assert_eq!(unnamed["user_identifier"], "10.0.0.7");
    let id = unnamed["id"].as_str().unwrap();
    for name in ["unnamed", id] {
        let (status, _) = fixture.get(IP, &format!("/conversations/{name}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let (_, list) = fixture.get(IP, "/conversations/user/10.0.0.7").await;
    let all: BTreeSet<&str> = sessions(&list).into_iter().collect();
    assert_eq!(all, BTreeSet::from(["named-1", "named-2"]));
    let (_, first) = fixture
        .get(IP, "/conversations/user/10.0.0.7?limit=1")
        .await;
    let (_, second) = fixture
        .get(IP, "/conversations/user/10.0.0.7?limit=1&offset=1")
        .await;
    assert_eq!(
        [sessions(&first), sessions(&second)].concat(),
        sessions(&list)
    );
    assert_eq!(
        (&first["has_more"], &second["has_more"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn a_users_list_goes_in_pages() {
    let fixture = Fixture::new();
    for number in 0..5 {
        fixture
            .chat(&format!("s{number}"), Some("alice"), "hello")
            .await;
    }
    for key in [ALICE, PORTAL] {
        let (status, all) = fixture.get(key, "/conversations/user/alice").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(names(&all), BTreeSet::from(["data", "has_more", "next"]));
        let whole = sessions(&all);
        assert_eq!(whole.len(), 5);
        let mut paged = Vec::new();
        for (offset, has_more) in [(0, true), (2, true), (4, false), (6, false)] {
            let path = format!("/conversations/user/alice?limit=2&offset={offset}");
            let (_, page) = fixture.get(key, &path).await;
            assert_eq!(page["has_more"], has_more, "{offset}");
            paged.extend(sessions(&page).into_iter().map(str::to_owned));
        }
        assert_eq!(paged, whole);
    }
}

#[tokio::test]
async fn a_message_that_is_added_stands_behind_the_others() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    for (key, role) in [(ALICE, "user"), (PORTAL, "assistant"), (ALICE, "tool")] {
        let content = format!("nul \0, mark ␛00, {role}");
        let body =
            json!({ "role": role, "content": content, "model_name": "gpt", "token_count": 15 });
        let (status, added) = fixture.post(key, "/conversations/s/messages", body).await;
        assert_eq!(status, StatusCode::CREATED, "{added}");
        let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
        let messages = shown["messages"].as_array().unwrap();
        let [.., before, last] = &messages[..] else {
            unreachable!()
        };
        assert_eq!(last, &added);
        assert_eq!(added["role"], role);
        assert_eq!(added["content"], content);
        assert_eq!(added["model_name"], "gpt");
        assert_eq!(added["token_count"], 15);
        assert_eq!(added["parent_id"], before["id"]);
        assert_eq!(shown["title"], "hello");
    }
    let body = json!({ "role": "user", "content": "" });
    let (status, _) = fixture.post(ALICE, "/conversations/s/messages", body).await;
    assert_eq!(status, StatusCode::CREATED);
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
    ] {
        let (answered, error) = fixture.get(ALICE, path).await;
        assert_eq!(answered, status, "{path}: {error}");
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
        .send(ALICE, "DELETE", "/conversations/s", Body::empty())
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
async fn any_name_that_a_client_gave_is_found_again_under_any_prefix() {
    let fixture = Fixture::new();
    let app = Router::new().nest("/history", fixture.api.clone());
    let long = "x".repeat(300);
    for (name, path) in [("a b/c", "a%20b%2Fc"), (&long, &long), ("user", "user")] {
        fixture.chat(name, Some("alice"), name).await;
        let request = Request::get(format!("/history/conversations/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {ALICE}"))
            .body(Body::empty())
            .unwrap();
        let (status, shown) = answer(&app, request).await;
        if name == "user" {
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        } else {
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(shown["messages"][0]["content"], name);
        }
    }
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
