//! Deleting while the layer records.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::{join, join_all};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::fixture::{ALICE, Fixture, PORTAL};
use crate::{
    servers::{mariadb, postgres},
    support::sqlite_dsn,
};

fn said(shown: &Value) -> Vec<&str> {
    let messages = shown["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["content"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn what_was_under_way_does_not_bring_a_conversation_back() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    let (answer, may_answer) = oneshot::channel::<()>();
    let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "slow" }] });
    let may_answer = async { may_answer.await.unwrap() };
    let slow = fixture.ask("s", Some("alice"), asked, "slow", may_answer);
    let deleting = async {
        let (status, deleted) = fixture.delete(ALICE, "/conversations/s").await;
        assert_eq!(
            (status, &deleted["messages_deleted"]),
            (StatusCode::OK, &2.into())
        );
        answer.send(()).unwrap();
    };
    join(slow, deleting).await;
    fixture.flush().await;
    let (status, _) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let metrics = fixture.recorder().metrics();
    assert_eq!(
        (metrics.written, metrics.erased, metrics.pending()),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_history_that_is_sent_again_brings_no_text_back() {
    let fixture = Fixture::new();
    let turns = |texts: &[&str]| {
        let messages = texts.iter().enumerate().map(|(number, text)| {
            let role = if number % 2 == 0 { "user" } else { "assistant" };
            json!({ "role": role, "content": text })
        });
        json!({ "model": "m", "messages": messages.collect::<Vec<_>>() })
    };
    let ask = async |texts: &[&str], last| {
        fixture
            .ask(
                "s",
                Some("alice"),
                turns(texts),
                last,
                std::future::ready(()),
            )
            .await;
    };
    ask(&["secret"], "secret").await;
    ask(&["secret", "so secret", "two"], "two").await;
    let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(shown["message_count"], 4);
    let (status, _) = fixture.delete(ALICE, "/conversations/s").await;
    assert_eq!(status, StatusCode::OK);
    ask(&["secret", "so secret", "two", "so two", "three"], "three").await;
    let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(said(&shown), ["three", "so three"]);
    assert_eq!(shown["title"], "three");
    let texts = [
        "secret",
        "so secret",
        "two",
        "so two",
        "three",
        "so three",
        "four",
    ];
    ask(&texts, "four").await;
    let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(said(&shown), ["three", "so three", "four", "so four"]);
    let (_, tree) = fixture.get(ALICE, "/conversations/s?tree=true").await;
    assert!(!tree.to_string().contains("secret"));
    // Said anew, it is stored anew.
    let (status, _) = fixture.delete(ALICE, "/conversations/s").await;
    assert_eq!(status, StatusCode::OK);
    ask(&["secret"], "secret").await;
    let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(said(&shown), ["secret", "so secret"]);
}

const CLIENTS: usize = 16;
const ROUNDS: usize = 6;

/// Each client records and reads; every other conversation is deleted while an answer is under way.
async fn clients_delete_while_others_record(dsn: String) {
    let fixture = Arc::new(Fixture::over(dsn));
    fixture.chat("first", Some("alice"), "hello").await;
    let clients = (0..CLIENTS).map(|client| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let session = format!("s{client}-{round}");
                let path = format!("/conversations/{session}");
                let user = format!("user{}", client % 4);
                fixture.chat(&session, Some(&user), "hello").await;
                // The API itself waits a second for a writer at the most.
                fixture.flush().await;
                if (client + round) % 2 == 0 {
                    let (_, page) = busy(&fixture, "GET", &path).await;
                    assert_eq!(said(&page), ["hello", "so hello"]);
                    continue;
                }
                let (answer, may_answer) = oneshot::channel::<()>();
                let asked =
                    json!({ "model": "m", "messages": [{ "role": "user", "content": "slow" }] });
                let may_answer = async { may_answer.await.unwrap() };
                let slow = fixture.ask(&session, Some(&user), asked, "slow", may_answer);
                let deleting = async {
                    let (status, deleted) = busy(&fixture, "DELETE", &path).await;
                    assert_eq!(status, StatusCode::OK, "{deleted}");
                    assert_eq!(deleted["messages_deleted"], 2);
                    answer.send(()).unwrap();
                };
                join(slow, deleting).await;
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    fixture.flush().await;
    let kept = CLIENTS * ROUNDS / 2;
    let store = fixture.recorder();
    let partitions = store.store().partitions().await.unwrap();
    let rows: i64 = partitions.iter().map(|table| table.rows).sum();
    assert_eq!(rows, 2 * (kept as i64 + 1));
    let mut left = BTreeSet::new();
    for user in 0..4 {
        let path = format!("/conversations/user/user{user}?limit=500");
        let (_, list) = fixture.get(PORTAL, &path).await;
        for one in list["data"].as_array().unwrap() {
            assert_eq!(one["message_count"], 2);
            left.insert(one["session_id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(left.len(), kept);
    let metrics = store.metrics();
    assert_eq!(metrics.erased, kept as u64);
    assert_eq!(metrics.accepted, metrics.written + metrics.erased);
}

/// An application has four requests at a time, and everybody two deletions; more of them are told to
/// come again.
async fn busy(fixture: &Fixture, method: &str, path: &str) -> (StatusCode, Value) {
    loop {
        let answer = fixture
            .send(PORTAL, method, path, axum::body::Body::empty())
            .await;
        let is_busy = answer.1["error"]["code"] == "busy";
        if answer.0 != StatusCode::TOO_MANY_REQUESTS && !is_busy {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_under_load_leaves_nothing_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    clients_delete_while_others_record(sqlite_dsn(folder.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_under_load_leaves_nothing_in_postgresql() {
    let database = postgres::Database::new().await;
    clients_delete_while_others_record(database.dsn()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_under_load_leaves_nothing_in_mariadb() {
    let database = mariadb::Database::new().await;
    clients_delete_while_others_record(database.dsn()).await;
}
