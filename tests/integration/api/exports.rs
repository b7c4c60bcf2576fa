//! Exports, to their last message.

use std::{
    future::{pending, ready},
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tower::ServiceExt;
use tower_recording::{
    RecordingLayer,
    api::{self, StaticKeys},
    store::{Conversation, ExchangeRows, Page, Store, StoreFuture, StoredMessage},
};

use super::fixture::{ALICE, Fixture, KEYS, PORTAL};

#[tokio::test]
async fn a_users_export_has_every_conversation_in_each_format() {
    let fixture = Fixture::new();
    for session in ["s", "t"] {
        for text in ["first, \"quoted\"\nline", "second"] {
            fixture.chat(session, Some("alice"), text).await;
        }
    }
    fixture.chat("s", Some("bob"), "bob's").await;
    for key in [ALICE, PORTAL] {
        let path = "/conversations/user/alice/export";
        let (status, jsonl) = fixture.text(key, path).await;
        assert_eq!(status, StatusCode::OK);
        let lines: Vec<Value> = jsonl
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let expected = json!({ "messages": [
            { "role": "user", "content": "first, \"quoted\"\nline" },
            { "role": "assistant", "content": "so first, \"quoted\"\nline" },
            { "role": "user", "content": "second" },
            { "role": "assistant", "content": "so second" },
        ] });
        assert_eq!(lines, [expected.clone(), expected]);

        let (_, markdown) = fixture.text(key, &format!("{path}?format=markdown")).await;
        assert_eq!(markdown.matches("# first, \"quoted\"\n").count(), 2);
        assert_eq!(markdown.matches("## user · ").count(), 4);
        assert_eq!(markdown.matches("\n\n```\nso second\n```\n\n").count(), 2);

        let (_, csv) = fixture.text(key, &format!("{path}?format=csv")).await;
        assert!(csv.starts_with("conversation_id,session_id,title,"));
        assert_eq!(
            csv.matches(",user,\"first, \"\"quoted\"\"\nline\",m-1,")
                .count(),
            2
        );
        assert_eq!(csv.matches("\r\n").count(), 9);
        for text in [&jsonl, &markdown, &csv] {
            assert!(!text.contains("bob's"));
        }
    }
    let (_, empty) = fixture
        .text(PORTAL, "/conversations/user/nobody/export")
        .await;
    assert_eq!(empty, "");
}

#[tokio::test]
async fn a_long_conversation_is_exported_in_order_from_its_beginning() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "0").await;
    let filler = "x".repeat(2000);
    for number in 1..700 {
        let body = json!({ "role": "user", "content": format!("{number} {filler}") });
        let (status, _) = fixture.post(ALICE, "/conversations/s/messages", body).await;
        assert_eq!(status, StatusCode::CREATED);
    }
    let (_, jsonl) = fixture.text(ALICE, "/conversations/s/export").await;
    let line: Value = serde_json::from_str(jsonl.trim_end()).unwrap();
    let messages = line["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 701);
    assert_eq!(messages[1]["content"], "so 0");
    for (number, message) in messages[2..].iter().enumerate() {
        let content = message["content"].as_str().unwrap();
        let (said, _) = content.split_once(' ').unwrap();
        assert_eq!(said, (number + 1).to_string());
    }
    let (_, csv) = fixture
        .text(ALICE, "/conversations/s/export?format=csv")
        .await;
    assert_eq!(csv.lines().count(), 702);
}

/// Tells of each read of messages, which never ends by itself, and of its end.
#[derive(Debug)]
struct Stuck(mpsc::UnboundedSender<oneshot::Receiver<()>>);

impl Store for Stuck {
    fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn conversations_named<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>> {
        Box::pin(ready(Ok(vec![Conversation::default()])))
    }

    fn conversation(&self, _: tower_recording::Id) -> StoreFuture<'_, Option<Conversation>> {
        Box::pin(ready(Ok(Some(Conversation::default()))))
    }

    fn messages(
        &self,
        _: tower_recording::Id,
        _: Option<tower_recording::Id>,
        _: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        let (reading, ended) = oneshot::channel::<()>();
        self.0.send(ended).unwrap();
        Box::pin(async move {
            let _reading = reading;
            pending().await
        })
    }
}

#[tokio::test]
async fn an_export_ends_with_its_client() {
    let (reads, mut read) = mpsc::unbounded_channel();
    let recording = RecordingLayer::with_store(Arc::new(Stuck(reads)));
    let recording = recording.build().unwrap();
    let keys: StaticKeys = KEYS.parse().unwrap();
    let api = api::router(recording.recorder(), keys);
    for format in ["openai-jsonl", "markdown", "csv"] {
        let request = Request::get(format!("/conversations/s/export?format={format}"))
            .header(header::AUTHORIZATION, format!("Bearer {PORTAL}"))
            .body(Body::empty())
            .unwrap();
        let response = api.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut ended = read.recv().await.unwrap();
        assert!(
            ended
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
        );
        drop(response);
        let ended = timeout(Duration::from_secs(10), ended).await;
        assert!(ended.expect("the read ends").is_err());
    }
}
