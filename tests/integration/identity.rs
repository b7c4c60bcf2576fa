//! Who spoke, and in which conversation.

mod addresses;

use std::net::SocketAddr;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{ConnectInfo, Request},
    middleware::{self, Next},
    routing::post,
};
use http::{HeaderMap, Version};
use serde_json::{Value, json};
use tower::Layer;
use tower_recording::{
    PeerAddr, Recorder, RecordingContext, RecordingLayer, RecordingLayerBuilder,
};

use crate::support::{HttpClient, chat, client, conversation, messages, send, serve, sqlite_dsn};

const SAID: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;

async fn answer(_: Bytes) -> Json<Value> {
    Json(json!({
        "id": "chatcmpl-1", "model": "m-2025",
        "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": "hi" } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 },
    }))
}

struct Gateway {
    address: SocketAddr,
    recorder: Recorder,
    client: HttpClient,
    _folder: tempfile::TempDir,
}

/// A gateway whose layer is built like this, with these extensions set before it.
async fn gateway(
    build: impl FnOnce(RecordingLayerBuilder) -> RecordingLayerBuilder,
    before: RecordingContext,
    peer: Option<&str>,
) -> Gateway {
    let folder = tempfile::tempdir().expect("a folder");
    let builder = RecordingLayer::builder(sqlite_dsn(folder.path()));
    let layer = build(builder).build().expect("a layer");
    let recorder = layer.recorder();
    let app = Router::new()
        .route("/v1/chat/completions", post(answer))
        .route("/v1/models", post(answer));
    let peer = peer.map(|peer| PeerAddr(peer.parse().expect("an address")));
    let set = middleware::from_fn(move |mut request: Request, next: Next| {
        let before = before.clone();
        async move {
            request.extensions_mut().insert(before);
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            next.run(request).await
        }
    });
    Gateway {
        address: serve(app.layer(layer).layer(set)).await,
        recorder,
        client: client(Version::HTTP_11),
        _folder: folder,
    }
}

impl Gateway {
    async fn plain() -> Self {
        gateway(|builder| builder, RecordingContext::new(), None).await
    }

    async fn say(&self, headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut request = chat(self.address, "s", SAID);
        request.headers_mut().remove("x-session-id");
        request.headers_mut().remove("x-user-id");
        for (name, value) in headers {
            let value = value.parse().expect("a header's value");
            request.headers_mut().append(*name, value);
        }
        send(&self.client, request).await.0.headers
    }

    async fn user_of(&self, session: &str) -> String {
        conversation(&self.recorder, session).await.user_identifier
    }
}

#[tokio::test]
async fn headers_name_the_conversation_and_the_user() {
    let gateway = Gateway::plain().await;
    gateway
        .say(&[("x-session-id", "talk-1"), ("x-user-id", "ada")])
        .await;
    let found = conversation(&gateway.recorder, "talk-1").await;
    assert_eq!(found.user_identifier, "ada");
    assert_eq!(found.session_source, "x-session-id");
    assert_eq!(found.title.as_deref(), Some("hello"));
    assert_eq!(found.message_count, 2);
    let rows = messages(&gateway.recorder, "talk-1").await;
    let said: Vec<_> = rows
        .iter()
        .map(|row| (row.message.role.as_str(), row.message.content.as_str()))
        .collect();
    assert_eq!(said, [("user", "hello"), ("assistant", "hi")]);
    assert!(rows.iter().all(|row| row.exchange.user_id == "ada"));
    assert!(
        rows.iter()
            .all(|row| row.exchange.created_at == row.message.id.unix_ms())
    );
    assert_eq!(rows[0].message.usage.total_tokens, None);
    assert_eq!(rows[1].message.usage.total_tokens, Some(3));
    assert_eq!(rows[1].exchange.request_model.as_deref(), Some("m"));
    assert_eq!(rows[0].exchange.model_name.as_deref(), Some("m-2025"));
}

#[tokio::test]
async fn two_users_who_send_the_same_session_id_never_meet() {
    let gateway = Gateway::plain().await;
    for user in ["ada", "bob"] {
        gateway
            .say(&[("x-session-id", "same"), ("x-user-id", user)])
            .await;
    }
    gateway.recorder.flush().await;
    let store = gateway.recorder.store();
    let found = store
        .conversations_named("", "same")
        .await
        .expect("a store");
    assert_eq!(found.len(), 2);
    for conversation in found {
        let rows = store
            .messages(conversation.id, None, 10)
            .await
            .expect("a store");
        assert_eq!(rows.data.len(), 2);
        let users = rows.data.iter().map(|row| &row.exchange.user_id);
        assert!(users.eq([&conversation.user_identifier; 2]));
    }
}

#[tokio::test]
async fn an_application_that_names_the_user_cannot_be_overruled_by_a_header() {
    let context = RecordingContext::new()
        .tenant("acme")
        .user_id("ada")
        .token_id("key-7")
        .conversation_id("told");
    let gateway = gateway(|builder| builder, context, None).await;
    gateway
        .say(&[("x-session-id", "claimed"), ("x-user-id", "bob")])
        .await;
    gateway.recorder.flush().await;
    let store = gateway.recorder.store();
    let found = store
        .conversations_named("acme", "told")
        .await
        .expect("a store");
    assert_eq!(found[0].user_identifier, "ada");
    assert_eq!(found[0].session_source, "context");
    let rows = store
        .messages(found[0].id, None, 10)
        .await
        .expect("a store")
        .data;
    assert_eq!(rows[0].exchange.token_id.as_deref(), Some("key-7"));
    for (tenant, session) in [("", "claimed"), ("acme", "claimed"), ("", "told")] {
        let none = store.conversations_named(tenant, session).await;
        assert_eq!(none.expect("a store"), []);
    }
}

#[tokio::test]
async fn the_channel_that_was_chosen_while_routing_is_told_by_the_response() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::new(sqlite_dsn(folder.path()));
    let recorder = layer.recorder();
    let context = RecordingContext::new()
        .channel_id("upstream-2")
        .provider("azure");
    let app = Router::new().route(
        "/v1/chat/completions",
        post(|body: Bytes| async { (Extension(context), answer(body).await) }),
    );
    let address = serve(layer.layer(app)).await;
    send(&client(Version::HTTP_2), chat(address, "routed", SAID)).await;
    let rows = messages(&recorder, "routed").await;
    assert_eq!(rows[0].exchange.channel_id.as_deref(), Some("upstream-2"));
    assert_eq!(rows[1].exchange.provider.as_deref(), Some("azure"));
}

#[tokio::test]
async fn without_a_usable_id_a_conversation_of_its_own_begins() {
    let id_header = |builder: RecordingLayerBuilder| builder.exchange_id_header("x-exchange-id");
    let gateway = gateway(id_header, RecordingContext::new(), None).await;
    let placeholders = [
        "",
        " ",
        "null",
        "Undefined",
        "none",
        "00000000-0000-0000-0000-000000000000",
    ];
    for placeholder in placeholders {
        let headers = gateway
            .say(&[("x-session-id", placeholder), ("x-user-id", "ada")])
            .await;
        let exchange = headers["x-exchange-id"].to_str().expect("text");
        let found = conversation(&gateway.recorder, exchange).await;
        assert_eq!(found.session_source, "generated");
        let rows = messages(&gateway.recorder, exchange).await;
        assert_eq!(rows[0].exchange.exchange_id.to_string(), exchange);
        assert_eq!(exchange.as_bytes()[14], b'7');
    }
}

#[tokio::test]
async fn a_long_id_is_cut_and_stays_distinct() {
    let gateway = Gateway::plain().await;
    let long = "é".repeat(200);
    let sessions = [format!("{long}1"), format!("{long}2")];
    for session in &sessions {
        gateway
            .say(&[("x-session-id", session), ("x-user-id", "ada")])
            .await;
    }
    gateway.recorder.flush().await;
    let store = gateway.recorder.store();
    let found = store
        .conversations_of_user("", "ada", None, 0, 10)
        .await
        .expect("a store");
    assert_eq!(found.data.len(), 2);
    for conversation in found.data {
        assert!((250..=255).contains(&conversation.session_id.len()));
        assert!(conversation.session_id.starts_with("éé"));
    }
}

#[tokio::test]
async fn tags_and_the_trace_id_are_kept() {
    let prefix = |builder: RecordingLayerBuilder| builder.tag_prefix("X-Label-");
    let gateway = gateway(prefix, RecordingContext::new(), None).await;
    gateway
        .say(&[
            ("x-session-id", "tagged"),
            ("x-label-team", "search"),
            ("x-label-env", "prod"),
            ("x-tag-other", "no"),
            (
                "traceparent",
                "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ])
        .await;
    let rows = messages(&gateway.recorder, "tagged").await;
    let tags: Value =
        serde_json::from_str(rows[0].exchange.tags.as_deref().expect("tags")).expect("JSON");
    assert_eq!(tags, json!({ "team": "search", "env": "prod" }));
    let trace = rows[0].exchange.trace_id.as_deref();
    assert_eq!(trace, Some("0af7651916cd43dd8448eb211c80319c"));
}

#[tokio::test]
async fn no_more_tags_are_kept_than_fit() {
    let gateway = Gateway::plain().await;
    let names: Vec<&'static str> = (0..40)
        .map(|number| &*format!("x-tag-{number:02}").leak())
        .collect();
    let long = "v".repeat(1500);
    let mut headers = vec![("x-session-id", "tagged"), ("x-tag-long", &*long)];
    headers.push(("x-tag-longer", &long));
    headers.extend(names.iter().map(|name| (*name, "v")));
    gateway.say(&headers).await;
    let rows = messages(&gateway.recorder, "tagged").await;
    let tags = rows[0].exchange.tags.as_deref().expect("tags");
    assert!(tags.len() < 3000, "{tags}");
    let tags: Value = serde_json::from_str(tags).expect("JSON");
    let kept = tags.as_object().expect("tags").len();
    assert!((20..=32).contains(&kept), "{kept}");
    assert_eq!(tags["long"], long.as_str());
    assert_eq!(tags.get("longer"), None);
}

#[tokio::test]
async fn a_session_that_could_not_be_read_by_its_name_gets_another() {
    let gateway = Gateway::plain().await;
    gateway
        .say(&[("x-session-id", "user"), ("x-user-id", "ada")])
        .await;
    gateway.recorder.flush().await;
    let store = gateway.recorder.store();
    let mine = store.conversations_of_user("", "ada", None, 0, 10).await;
    let mine = mine.expect("a store").data;
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].session_source, "generated");
}

#[tokio::test]
async fn only_llm_calls_are_recorded_and_on_wish_only_those_with_a_session() {
    let opt_in = |builder: RecordingLayerBuilder| builder.only_with_session(true);
    let gateway = gateway(opt_in, RecordingContext::new(), None).await;
    gateway.say(&[("x-user-id", "ada")]).await;
    let mut other = chat(gateway.address, "s", SAID);
    *other.uri_mut() = format!("http://{}/v1/models", gateway.address)
        .parse()
        .expect("a URI");
    send(&gateway.client, other).await;
    gateway.recorder.flush().await;
    assert_eq!(gateway.recorder.metrics().accepted, 0);
    assert_eq!(gateway.recorder.metrics().captured_bytes, 0);
    gateway.say(&[("x-session-id", "wanted")]).await;
    assert_eq!(messages(&gateway.recorder, "wanted").await.len(), 2);
    assert_eq!(gateway.recorder.metrics().accepted, 1);
}

#[tokio::test]
async fn no_credential_and_no_query_reaches_the_database() {
    let gateway = Gateway::plain().await;
    let mut request = chat(gateway.address, "private", SAID);
    let uri = format!(
        "http://{}/v1/chat/completions?key=s3cret&x=s3cret",
        gateway.address
    );
    *request.uri_mut() = uri.parse().expect("a URI");
    for name in [
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "proxy-authorization",
    ] {
        let value = "Bearer s3cret".parse().expect("a value");
        request.headers_mut().insert(name, value);
    }
    send(&gateway.client, request).await;
    assert_eq!(messages(&gateway.recorder, "private").await.len(), 2);
    for file in std::fs::read_dir(gateway._folder.path()).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("bytes");
        assert!(!bytes.windows(6).any(|window| window == b"s3cret"));
    }
}
