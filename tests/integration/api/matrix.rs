//! Every route, asked well and badly, on each database.

use axum::body::Body;
use http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{ALICE, BOB, Fixture, PORTAL};
use crate::{
    servers::{mariadb, postgres},
    support::sqlite_dsn,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Conversation,
    User,
    Application,
}

use About::{Application, Conversation, User};

/// Every route that needs a key: `{}` stands for a session id or a user. What removes things comes last.
const ROUTES: [(&str, &str, About); 17] = [
    ("GET", "/conversations/{}", Conversation),
    ("PUT", "/conversations/{}", Conversation),
    ("GET", "/conversations/{}/messages", Conversation),
    ("POST", "/conversations/{}/messages", Conversation),
    ("GET", "/conversations/{}/errors", Conversation),
    ("GET", "/conversations/{}/export", Conversation),
    ("POST", "/conversations", User),
    ("POST", "/conversations/", User),
    ("GET", "/conversations/user/{}", User),
    ("GET", "/conversations/user/{}/stats", User),
    ("GET", "/conversations/user/{}/export", User),
    ("GET", "/search?q=hello&user_identifier={}", User),
    ("GET", "/partitions", Application),
    ("GET", "/metrics", Application),
    ("DELETE", "/partitions?before=2001-01-01", Application),
    ("DELETE", "/conversations/{}", Conversation),
    ("DELETE", "/conversations/user/{}", User),
];

fn body(method: &str, path: &str) -> Body {
    Body::from(match (method, path.ends_with("/messages")) {
        ("POST", true) => json!({ "role": "user", "content": "hello" }).to_string(),
        ("POST", false) => json!({ "user_identifier": "alice" }).to_string(),
        ("PUT", _) => json!({ "title": "a title" }).to_string(),
        _ => String::new(),
    })
}

/// The answer's status and the error's code.
async fn ask(fixture: &Fixture, key: &str, method: &str, path: &str) -> (u16, String) {
    let body = body(method, path);
    let (status, text) = fixture.raw(key, method, path, body).await;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    let code = answer["error"]["code"].as_str().unwrap_or_default();
    (status.as_u16(), code.to_owned())
}

async fn every_route_answers_as_it_should(fixture: Fixture) {
    fixture.chat("s", Some("alice"), "hello").await;
    fixture.chat("theirs", Some("bob"), "hello").await;
    for (method, template, about) in ROUTES {
        let name = if about == User { "alice" } else { "s" };
        let path = template.replace("{}", name);
        for key in ["", "sk-wrong"] {
            let refused = ask(&fixture, key, method, &path).await;
            assert_eq!(
                refused,
                (401, "invalid_api_key".to_owned()),
                "{method} {path}"
            );
        }
        let theirs = match about {
            Conversation => (404, "conversation_not_found"),
            User => (403, "not_your_user"),
            Application => (403, "application_only"),
        };
        let refused = ask(&fixture, BOB, method, &path).await;
        assert_eq!(refused, (theirs.0, theirs.1.to_owned()), "{method} {path}");
        if about == Conversation {
            let absent = template.replace("{}", "absent");
            for key in [ALICE, PORTAL] {
                let answered = ask(&fixture, key, method, &absent).await;
                assert_eq!(
                    answered,
                    (404, "conversation_not_found".to_owned()),
                    "{absent}"
                );
            }
            let (status, _) = ask(&fixture, ALICE, method, &template.replace("{}", "user")).await;
            // Some of these are about a user of that name, who is another.
            assert!(
                matches!(status, 403 | 405 | 422),
                "{method} {template}: {status}"
            );
        }
        if template.contains("/{}") {
            let malformed = template.replace("{}", "%FF");
            let (status, _) = ask(&fixture, ALICE, method, &malformed).await;
            assert_eq!(status, 400, "{method} {malformed}");
        }
        if matches!(method, "POST" | "PUT") {
            for body in ["", "[]", "{", "{\"colour\":1}"] {
                let (status, _) = fixture.send(ALICE, method, &path, Body::from(body)).await;
                assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path} {body}");
            }
        }
        let key = if about == Application { PORTAL } else { ALICE };
        let (status, code) = ask(&fixture, key, method, &path).await;
        let good = if method == "POST" { 201 } else { 200 };
        assert_eq!(status, good, "{method} {path}: {code}");
    }
    // Bob's is as it was.
    let (_, shown) = fixture.get(BOB, "/conversations/theirs").await;
    assert_eq!(shown["message_count"], 2);
    let (status, _) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

async fn what_is_out_of_bounds_is_refused(fixture: &Fixture) {
    fixture.chat("s", Some("alice"), "hello").await;
    for (path, param) in [
        ("/conversations/s/messages?limit=0", "limit"),
        ("/conversations/s/messages?limit=501", "limit"),
        ("/conversations/s/messages?before=yesterday", "before"),
        ("/conversations/s/messages?format=xml", "format"),
        ("/conversations/s/errors?limit=501", "limit"),
        ("/conversations/s/export?format=xml", "format"),
        ("/conversations/s?tree=maybe", "tree"),
        ("/conversations/user/alice?offset=10001", "offset"),
        ("/conversations/user/alice?after=x", "after"),
        ("/conversations/user/alice/stats?from=2025-02-30", "from"),
        ("/conversations/user/alice/stats?to=tomorrow", "to"),
        ("/conversations/user/alice/export?format=xml", "format"),
        ("/search?q=", "q"),
        ("/search?q=a&from=2001-01-01", "from"),
        ("/search?q=a&to=soon", "to"),
        ("/search?q=a&limit=0", "limit"),
        ("/search?q=a&after=x", "after"),
    ] {
        let (status, error) = fixture.get(ALICE, path).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_eq!(error["error"]["param"], param, "{path}");
    }
    let (status, _) = fixture.delete(PORTAL, "/partitions").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = fixture.delete(PORTAL, "/partitions?before=now").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

async fn walk(dsn: String) {
    let fixture = Fixture::over(dsn);
    what_is_out_of_bounds_is_refused(&fixture).await;
    every_route_answers_as_it_should(fixture).await;
}

#[tokio::test]
async fn every_route_answers_well_and_badly_over_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    walk(sqlite_dsn(folder.path())).await;
}

#[tokio::test]
async fn every_route_answers_well_and_badly_over_postgresql() {
    let database = postgres::Database::new().await;
    walk(database.dsn()).await;
}

#[tokio::test]
async fn every_route_answers_well_and_badly_over_mariadb() {
    let database = mariadb::Database::new().await;
    walk(database.dsn()).await;
}

/// What stands in the document is there, needs a key, and shows a user nothing of another's.
#[tokio::test]
async fn every_operation_that_is_described_keeps_users_apart() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "secret words").await;
    let (status, page) = fixture.raw("", "GET", "/docs", Body::empty()).await;
    assert!(status == StatusCode::OK && page.contains("openapi.json"));
    let (status, document) = fixture.raw("", "GET", "/openapi.json", Body::empty()).await;
    assert_eq!(status, StatusCode::OK);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path
            .replace("{session_id}", "s")
            .replace("{user_identifier}", "alice");
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let is_open = operation["security"] == json!([{}]);
            let parameters = operation["parameters"].as_array();
            let query: Vec<String> = parameters
                .into_iter()
                .flatten()
                .filter(|one| one["in"] == "query" && one["required"] == true)
                .map(|one| match one["name"].as_str().unwrap() {
                    "before" => "before=2001-01-01".to_owned(),
                    name => format!("{name}=secret"),
                })
                .collect();
            let path = format!("{path}?{}", query.join("&"));
            let (status, _) = fixture.raw("", &method, &path, body(&method, &path)).await;
            let expected = if is_open { 200 } else { 401 };
            assert_eq!(status, expected, "{method} {path}");
            if is_open {
                continue;
            }
            described += 1;
            let sent = body(&method, path.trim_end_matches('?'));
            let (status, text) = fixture.raw(BOB, &method, &path, sent).await;
            let is_empty_search = path.starts_with("/search") && text.starts_with(r#"{"data":[],"#);
            let is_refused = matches!(status.as_u16(), 403 | 404);
            assert!(
                is_refused || is_empty_search,
                "{method} {path}: {status} {text}"
            );
            assert!(!text.contains("words"), "{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.contains_key(status.as_str()),
                "{method} {path}: {status}"
            );
        }
    }
    assert_eq!(described, ROUTES.len());
    let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(shown["message_count"], 2);
}
