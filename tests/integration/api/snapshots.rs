//! What every route answers, letter for letter, and the same on each database. Ids, times and sizes are left out.
//!
//! Where an answer is to change: `INSTA_UPDATE=always cargo nextest run -E 'test(/snapshots::.*sqlite/)'`.

use std::collections::BTreeSet;

use axum::body::Body;
use serde_json::Value;

use super::fixture::{ALICE, BOB, Fixture, PORTAL};
use crate::{
    servers::{mariadb, postgres},
    support::sqlite_dsn,
};

/// A name, a key, a method, a path of the description with a query behind it, and a body.
type Step = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const CONVERSATION: &str = "/conversations/{session_id}";
const MESSAGES: &str = "/conversations/{session_id}/messages";
const USER: &str = "/conversations/user/{user_identifier}";

/// What removes things comes last.
const STEPS: &[Step] = &[
    (
        "create",
        PORTAL,
        "POST",
        "/conversations",
        r#"{"user_identifier":"alice","title":"A title","session_id":"made"}"#,
    ),
    (
        "create_again",
        PORTAL,
        "POST",
        "/conversations",
        r#"{"user_identifier":"alice","session_id":"made"}"#,
    ),
    (
        "create_unnamed",
        ALICE,
        "POST",
        "/conversations/",
        r#"{"user_identifier":"alice"}"#,
    ),
    (
        "create_for_another",
        BOB,
        "POST",
        "/conversations/",
        r#"{"user_identifier":"alice"}"#,
    ),
    (
        "append",
        ALICE,
        "POST",
        MESSAGES,
        r#"{"role":"user","content":"by \"hand\" 你好\n\u0000","model_name":"m-2","token_count":7}"#,
    ),
    (
        "append_unknown_field",
        ALICE,
        "POST",
        MESSAGES,
        r#"{"role":"user","content":"","colour":"red"}"#,
    ),
    (
        "rename",
        ALICE,
        "PUT",
        CONVERSATION,
        r#"{"title":"Renamed"}"#,
    ),
    ("read", ALICE, "GET", CONVERSATION, ""),
    (
        "read_tree",
        ALICE,
        "GET",
        "/conversations/{session_id}?tree=true&limit=2",
        "",
    ),
    ("read_of_another", BOB, "GET", CONVERSATION, ""),
    ("read_without_key", "", "GET", CONVERSATION, ""),
    (
        "messages",
        ALICE,
        "GET",
        "/conversations/{session_id}/messages?limit=1",
        "",
    ),
    (
        "messages_openai",
        ALICE,
        "GET",
        "/conversations/{session_id}/messages?format=openai",
        "",
    ),
    (
        "messages_out_of_bounds",
        ALICE,
        "GET",
        "/conversations/{session_id}/messages?limit=501",
        "",
    ),
    (
        "errors",
        ALICE,
        "GET",
        "/conversations/{session_id}/errors",
        "",
    ),
    (
        "export",
        ALICE,
        "GET",
        "/conversations/{session_id}/export",
        "",
    ),
    (
        "export_markdown",
        ALICE,
        "GET",
        "/conversations/{session_id}/export?format=markdown",
        "",
    ),
    (
        "export_csv",
        ALICE,
        "GET",
        "/conversations/{session_id}/export?format=csv",
        "",
    ),
    (
        "export_user",
        ALICE,
        "GET",
        "/conversations/user/{user_identifier}/export",
        "",
    ),
    (
        "list",
        ALICE,
        "GET",
        "/conversations/user/{user_identifier}?limit=2",
        "",
    ),
    (
        "stats",
        ALICE,
        "GET",
        "/conversations/user/{user_identifier}/stats",
        "",
    ),
    ("search", ALICE, "GET", "/search?q=hello&limit=1", ""),
    ("partitions", PORTAL, "GET", "/partitions", ""),
    ("partitions_of_a_user", ALICE, "GET", "/partitions", ""),
    ("metrics", PORTAL, "GET", "/metrics", ""),
    ("alive", "", "GET", "/healthz", ""),
    ("ready", "", "GET", "/readyz", ""),
    ("openapi", "", "GET", "/openapi.json", ""),
    (
        "drop_partitions",
        PORTAL,
        "DELETE",
        "/partitions?before=2001-01-01",
        "",
    ),
    ("delete", ALICE, "DELETE", CONVERSATION, ""),
    ("erase", PORTAL, "DELETE", USER, ""),
];

/// What differs from run to run, or from database to database.
const LEFT_OUT: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[time]"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[id]"),
    (r"\d{4}-\d\d-\d\d", "[day]"),
    (r"_\d{4}_\d\d_\d\d", "_[day]"),
    (r"\[day\]_\d+_\[id\]", "[place]"),
    (r#""(first_token_ms|latency_ms)": \d+"#, r#""$1": "[ms]""#),
    (r#""bytes(_freed)?": (\d+|null)"#, r#""bytes$1": "[bytes]""#),
    (r#""version": "[0-9.]+""#, r#""version": "[version]""#),
    // They are the database's to know.
    (r"(?m)^(# (HELP|TYPE) )?tower_recording_partition_.*\n", ""),
    (
        r"(?m)^(tower_recording_\w+(\{.*\})?) [0-9.eE+-]+$",
        "$1 [number]",
    ),
];

async fn every_route_answers_as_it_did(dsn: String) {
    let fixture = Fixture::over(dsn);
    fixture.chat("s", Some("alice"), "hello").await;
    fixture.refuse("s", "alice", "hello?").await;
    fixture.flush().await;
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, name) in LEFT_OUT {
        settings.add_filter(pattern, *name);
    }
    let mut answered = BTreeSet::new();
    for (name, key, method, template, body) in STEPS {
        let path = template
            .replace("{session_id}", "s")
            .replace("{user_identifier}", "alice");
        let (status, text) = fixture.raw(key, method, &path, Body::from(*body)).await;
        let whole: Result<Value, _> = serde_json::from_str(&text);
        let text = whole.map_or(text, |json| format!("{json:#}"));
        settings.bind(|| insta::assert_snapshot!(*name, format!("{status}\n\n{text}")));
        let (path, _) = template.split_once('?').unwrap_or((template, ""));
        answered.insert((path.to_owned(), method.to_lowercase()));
    }
    let (_, document) = fixture.get("", "/openapi.json").await;
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().keys();
        described.extend(methods.map(|method| (path.clone(), method.clone())));
    }
    described.remove(&("/docs".to_owned(), "get".to_owned()));
    assert_eq!(answered, described);
}

#[tokio::test]
async fn every_route_answers_as_it_did_over_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    every_route_answers_as_it_did(sqlite_dsn(folder.path())).await;
}

#[tokio::test]
async fn every_route_answers_as_it_did_over_postgresql() {
    let database = postgres::Database::new().await;
    every_route_answers_as_it_did(database.dsn()).await;
}

#[tokio::test]
async fn every_route_answers_as_it_did_over_mariadb() {
    let database = mariadb::Database::new().await;
    every_route_answers_as_it_did(database.dsn()).await;
}
