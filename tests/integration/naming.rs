//! The names that real clients give to conversations and users, and what they keep apart.

mod hints;

use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use axum::{Json, Router, body::Bytes, routing::post};
use http::{Request, Version};
use serde_json::{Value, json};
use tower_recording::{Id, Recorder, RecordingLayerBuilder, store::ExchangeRows};

use crate::support::{HttpClient, Shelf, client, send, serve};

/// Sends a chat with these headers, and returns the rows it became.
struct Talk {
    address: SocketAddr,
    client: HttpClient,
    shelf: Arc<Shelf>,
    recorder: Recorder,
}

impl Talk {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(settings: impl FnOnce(RecordingLayerBuilder) -> RecordingLayerBuilder) -> Self {
        let shelf = Shelf::new();
        let layer = settings(shelf.layer()).build().expect("a layer");
        let app = Router::new()
            .route("/v1/chat/completions", post(answer))
            .layer(layer.clone());
        Self {
            address: serve(app).await,
            client: client(Version::HTTP_11),
            shelf,
            recorder: layer.recorder(),
        }
    }

    async fn rows(&self, headers: &[(&str, &str)], messages: Value) -> Vec<ExchangeRows> {
        let body = json!({ "model": "m", "messages": messages }).to_string();
        let uri = format!("http://{}/v1/chat/completions", self.address);
        let mut request = Request::post(uri).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        send(&self.client, request).await;
        self.shelf.take(&self.recorder).await
    }

    /// The rows of a chat with these members beside what is said.
    async fn claim(&self, members: Value) -> ExchangeRows {
        let mut body =
            json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] });
        let members = members.as_object().expect("members").clone();
        body.as_object_mut().expect("an object").extend(members);
        let uri = format!("http://{}/v1/chat/completions", self.address);
        let request = Request::post(uri)
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .expect("a request");
        send(&self.client, request).await;
        let mut rows = self.shelf.take(&self.recorder).await;
        assert_eq!(rows.len(), 1, "{body}");
        rows.remove(0)
    }

    async fn say(&self, headers: &[(&str, &str)]) -> ExchangeRows {
        let said = json!([{ "role": "user", "content": "hello" }]);
        let mut rows = self.rows(headers, said).await;
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }
}

async fn answer(_: Bytes) -> Json<Value> {
    Json(json!({
        "id": "1",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hi" } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 },
    }))
}

#[tokio::test]
async fn every_clients_header_names_its_conversation() {
    let talk = Talk::new().await;
    let special = ["x-*-session-id", "baggage"];
    for name in tower_recording::DEFAULT_SESSION_NAMES {
        if special.contains(&name) || name.starts_with("body:") {
            continue;
        }
        let rows = talk.say(&[(name, "chat-1"), ("x-user-id", "ada")]).await;
        assert_eq!(rows.conversation.session_id, "chat-1", "{name}");
        assert_eq!(rows.conversation.session_source, name);
    }
    let rows = talk.say(&[("x-acme-session-id", "abcd-1234")]).await;
    assert_eq!(rows.conversation.session_id, "abcd-1234");
    assert_eq!(rows.conversation.session_source, "x-acme-session-id");
    for unusable in ["short", "has spaces in it", "null", "00000000-0000"] {
        let rows = talk.say(&[("x-acme-session-id", unusable)]).await;
        assert_eq!(rows.conversation.session_source, "generated", "{unusable}");
    }
    let baggage = "a=b,langfuse.session.id=s%2F1;x=y,user.id=grace";
    let rows = talk.say(&[("baggage", baggage)]).await;
    assert_eq!(rows.conversation.session_id, "s/1");
    assert_eq!(
        rows.conversation.session_source,
        "baggage langfuse.session.id"
    );
    assert_eq!(rows.conversation.user_identifier, "grace");
}

#[tokio::test]
async fn the_first_usable_name_wins() {
    let talk = Talk::new().await;
    let rows = talk
        .say(&[
            ("session-id", "codex"),
            ("x-openwebui-chat-id", "chat"),
            ("x-conversation-id", "undefined"),
        ])
        .await;
    assert_eq!(rows.conversation.session_id, "chat");
    let own =
        |builder: RecordingLayerBuilder| builder.session_names(["x-mine"]).user_names(["x-who"]);
    let talk = Talk::with(own).await;
    let rows = talk
        .say(&[("session-id", "codex"), ("x-mine", "m"), ("x-who", "ada")])
        .await;
    assert_eq!(rows.conversation.session_id, "m");
    assert_eq!(rows.conversation.user_identifier, "ada");
}

#[tokio::test]
async fn every_clients_header_names_its_user() {
    let talk = Talk::new().await;
    for (name, value) in [
        ("x-user-id", "ada"),
        ("x-openwebui-user-id", "ada"),
        ("x-litellm-end-user-id", "ada"),
        ("x-litellm-customer-id", "ada"),
        ("helicone-user-id", "ada"),
        ("x-portkey-metadata", r#"{"_user":"ada","env":"prod"}"#),
        ("baggage", "user.id=ada"),
    ] {
        let rows = talk.say(&[(name, value)]).await;
        assert_eq!(rows.conversation.user_identifier, "ada", "{name}");
    }
}

#[tokio::test]
async fn whoever_opts_out_is_not_recorded_or_only_that_he_was_there() {
    let talk = Talk::new().await;
    let said = || json!([{ "role": "user", "content": "a secret" }]);
    let none = talk.rows(&[("cf-aig-collect-log", "false")], said()).await;
    assert!(none.is_empty());
    assert_eq!(talk.recorder.metrics().opted_out, 1);
    for (name, value) in [
        ("helicone-omit-request", "true"),
        ("helicone-omit-response", "TRUE"),
        ("cf-aig-collect-log-payload", "false"),
        ("x-litellm-enable-message-redaction", "true"),
    ] {
        let rows = talk.rows(&[(name, value)], said()).await;
        let [rows] = &rows[..] else {
            panic!("one exchange");
        };
        let json = rows.to_json();
        assert!(
            !json.contains("a secret") && !json.contains("\"hi\""),
            "{json}"
        );
        assert_eq!(rows.messages[0].usage.total_tokens, Some(3));
    }
    let stays = |builder: RecordingLayerBuilder| builder.opt_out(false);
    let talk = Talk::with(stays).await;
    let rows = talk.rows(&[("cf-aig-collect-log", "false")], said()).await;
    assert!(rows[0].to_json().contains("a secret"));
}

#[tokio::test]
async fn an_agent_of_claude_code_talks_in_a_conversation_of_its_own() {
    let talk = Talk::new().await;
    let user = ("x-user-id", "ada");
    let session = ("x-claude-code-session-id", "0b1c");
    let main = talk.say(&[user, session]).await;
    let agent = talk
        .say(&[user, session, ("x-claude-code-agent-id", "a1")])
        .await;
    let nested = talk
        .say(&[
            user,
            session,
            ("x-claude-code-agent-id", "a2"),
            ("x-claude-code-parent-agent-id", "a1"),
        ])
        .await;
    assert_eq!(main.conversation.parent_conversation_id, None);
    let parents = [&agent, &nested].map(|rows| rows.conversation.parent_conversation_id);
    assert_eq!(
        parents,
        [Some(main.conversation.id), Some(agent.conversation.id)]
    );
    let ids: HashSet<Id> = [&main, &agent, &nested]
        .map(|rows| rows.conversation.id)
        .into();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn what_open_webui_asks_about_a_chat_is_kept_apart_from_it() {
    let talk = Talk::new().await;
    let headers = [
        ("x-openwebui-chat-id", "chat"),
        ("x-openwebui-user-id", "ada"),
    ];
    let chat = talk.say(&headers).await;
    let task = "### Task:\nGenerate a concise title.\n### Chat History:\n<chat_history>\nUSER: \
                hello\n</chat_history>";
    let said = json!([{ "role": "user", "content": task }]);
    let aside = talk.rows(&headers, said).await;
    let [aside] = &aside[..] else {
        panic!("one exchange");
    };
    assert_ne!(aside.conversation.id, chat.conversation.id);
    assert_eq!(
        aside.conversation.parent_conversation_id,
        Some(chat.conversation.id)
    );
    // Retrieval begins like a task, and is what the user said.
    let retrieval = "### Task:\nRespond to the user query using the provided context.";
    let said = json!([{ "role": "user", "content": retrieval }]);
    let rows = talk.rows(&headers, said).await;
    assert_eq!(rows[0].conversation.id, chat.conversation.id);
}

#[tokio::test]
async fn a_client_that_sends_its_history_may_say_the_first_thing_again() {
    let talk = Talk::new().await;
    let headers = [("x-openwebui-chat-id", "chat"), ("x-user-id", "ada")];
    let first = talk.say(&headers).await;
    let again = talk.say(&headers).await;
    assert_eq!(first.messages.len(), 2);
    let [answer] = &again.messages[..] else {
        panic!("only an answer: {:?}", again.messages);
    };
    assert_eq!(answer.parent_id, Some(first.messages[0].id));
}

#[tokio::test]
async fn a_member_of_the_body_names_the_conversation_where_no_header_does() {
    let talk = Talk::new().await;
    for name in tower_recording::DEFAULT_SESSION_NAMES {
        let Some(member) = name
            .strip_prefix("body:")
            .filter(|it| !["metadata.user_id", "prompt_cache_key of codex"].contains(it))
        else {
            continue;
        };
        let members = match member.split_once('.') {
            Some((object, member)) => json!({ object: { member: "chat-1" }, "user": "ada" }),
            None => json!({ member: "chat-1", "user": "ada" }),
        };
        let rows = talk.claim(members).await;
        assert_eq!(rows.conversation.session_id, "chat-1", "{name}");
        assert_eq!(rows.conversation.session_source, name);
        assert_eq!(rows.conversation.user_identifier, "ada", "{name}");
    }
    for unusable in [json!("null"), json!(""), json!(7), json!(["chat-1"])] {
        let rows = talk.claim(json!({ "session_id": unusable })).await;
        assert_eq!(rows.conversation.session_source, "generated", "{unusable}");
    }
}

#[tokio::test]
async fn claude_code_names_its_session_in_the_bodys_user_and_others_their_user() {
    let talk = Talk::new().await;
    let session = "0c0b2a4e-6b1f-4b7e-9d5c-0c2f7a7f4a11";
    for user_id in [
        format!(
            "user_{}_account_{session}_session_{session}",
            "a".repeat(64)
        ),
        json!({ "device_id": "d", "session_id": session }).to_string(),
    ] {
        let rows = talk
            .claim(json!({ "metadata": { "user_id": user_id } }))
            .await;
        assert_eq!(rows.conversation.session_id, session, "{user_id}");
        assert_eq!(rows.conversation.session_source, "body:metadata.user_id");
        assert!(rows.conversation.sends_history);
        assert_eq!(rows.conversation.user_identifier, "unknown", "{user_id}");
    }
    let rows = talk
        .claim(json!({ "metadata": { "user_id": "ada" } }))
        .await;
    assert_eq!(rows.conversation.session_source, "generated");
    assert_eq!(rows.conversation.user_identifier, "ada");
    let rows = talk
        .claim(json!({ "safety_identifier": "grace", "metadata": null }))
        .await;
    assert_eq!(rows.conversation.user_identifier, "grace");
}

#[tokio::test]
async fn a_body_that_says_no_log_is_not_recorded_unless_clients_may_not_opt_out() {
    let talk = Talk::new().await;
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let ask = async |talk: &Talk| {
        let uri = format!("http://{}/v1/chat/completions", talk.address);
        let body = json!({ "model": "m", "messages": messages, "no-log": true });
        let request = Request::post(uri).body(body.to_string().into());
        send(&talk.client, request.expect("a request")).await;
        talk.shelf.take(&talk.recorder).await.len()
    };
    assert_eq!(ask(&talk).await, 0);
    assert_eq!(talk.recorder.metrics().opted_out, 1);
    let talk = Talk::with(|builder| builder.opt_out(false)).await;
    assert_eq!(ask(&talk).await, 1);
}
