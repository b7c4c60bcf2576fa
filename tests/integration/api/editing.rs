//! Making, renaming and deleting, as the guide has it.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{ALICE, BOB, Fixture, PORTAL, names, sessions};

/// The guide's seven calls, one after the other.
#[tokio::test]
async fn the_guides_calls_work_as_printed() {
    let fixture = Fixture::new();
    for path in ["/conversations/", "/conversations"] {
        let user = format!("user{}", path.len());
        let body = json!({
            "user_identifier": user,
            "title": "我的会话",
            "session_id": "optional-custom-session-id",
        });
        let (status, made) = fixture.post(PORTAL, path, body.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let expected = "id session_id title user_identifier created_at updated_at message_count \
                        session_source";
        assert_eq!(names(&made), expected.split_whitespace().collect());
        assert_eq!(made["session_id"], "optional-custom-session-id");
        assert_eq!(made["title"], "我的会话");
        assert_eq!(made["message_count"], 0);
        assert_eq!(made["session_source"], "api");
        let (status, error) = fixture.post(PORTAL, path, body).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(error["error"]["code"], "session_id_taken");
        let list = format!("/conversations/user/{user}?limit=50&offset=0");
        let (_, listed) = fixture.get(PORTAL, &list).await;
        assert_eq!(listed["data"], json!([made]));

        // Both users call theirs by the same name, so that it is named by its id.
        let one = format!("/conversations/{}", made["id"].as_str().unwrap());
        let body = json!({
            "role": "user",
            "content": "你好，请帮我解释一下Python装饰器",
            "model_name": "gpt-3.5-turbo",
            "token_count": 15,
        });
        let (status, added) = fixture.post(PORTAL, &format!("{one}/messages"), body).await;
        assert_eq!(status, StatusCode::CREATED, "{added}");
        let (_, shown) = fixture.get(PORTAL, &one).await;
        assert_eq!(shown["messages"], json!([added]));
        let (_, page) = fixture
            .get(PORTAL, &format!("{one}/messages?limit=100"))
            .await;
        assert_eq!(
            page,
            json!({ "data": [added], "has_more": false, "next": null })
        );
        let body = json!({ "title": "新的会话标题" });
        let (status, renamed) = fixture.put(PORTAL, &one, body).await;
        assert_eq!(
            (status, &renamed["title"]),
            (StatusCode::OK, &json!("新的会话标题"))
        );
        let (status, deleted) = fixture.delete(PORTAL, &one).await;
        assert_eq!(status, StatusCode::OK);
        let expected = json!({
            "session_id": "optional-custom-session-id",
            "deleted": true,
            "messages_deleted": 1,
            "errors_deleted": 0,
        });
        assert_eq!(deleted, expected);
        for path in [
            one.clone(),
            format!("{one}/messages"),
            format!("{one}/errors"),
        ] {
            let (status, _) = fixture.get(PORTAL, &path).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
        }
        let (_, listed) = fixture.get(PORTAL, &list).await;
        assert_eq!(listed["data"], json!([]));
    }
}

#[tokio::test]
async fn a_session_id_is_made_where_none_is_given() {
    let fixture = Fixture::new();
    let mut made = BTreeSet::new();
    for _ in 0..3 {
        let body = json!({ "user_identifier": "alice", "title": null });
        let (status, one) = fixture.post(ALICE, "/conversations", body).await;
        assert_eq!(status, StatusCode::CREATED);
        let session = one["session_id"].as_str().unwrap().to_owned();
        assert_eq!((session.len(), session.chars().nth(14)), (36, Some('7')));
        fixture.chat(&session, Some("alice"), "hello").await;
        let (_, shown) = fixture
            .get(ALICE, &format!("/conversations/{session}"))
            .await;
        assert_eq!(
            (&shown["message_count"], &shown["title"]),
            (&json!(2), &json!("hello"))
        );
        made.insert(session);
    }
    assert_eq!(made.len(), 3);
}

#[tokio::test]
async fn what_is_no_name_or_title_is_refused() {
    let fixture = Fixture::new();
    let long = "x".repeat(256);
    for (body, status, param) in [
        (json!({ "title": "t" }), 400, "user_identifier"),
        (json!({ "user_identifier": 7 }), 400, "user_identifier"),
        (
            json!({ "user_identifier": "alice", "colour": 1 }),
            400,
            "colour",
        ),
        (json!({ "user_identifier": "" }), 422, "user_identifier"),
        (json!({ "user_identifier": "null" }), 422, "user_identifier"),
        (json!({ "user_identifier": long }), 422, "user_identifier"),
        (
            json!({ "user_identifier": "alice", "session_id": "user" }),
            422,
            "session_id",
        ),
        (
            json!({ "user_identifier": "alice", "session_id": "0000" }),
            422,
            "session_id",
        ),
        (
            json!({ "user_identifier": "alice", "session_id": long }),
            422,
            "session_id",
        ),
        (
            json!({ "user_identifier": "alice", "title": " " }),
            422,
            "title",
        ),
        (
            json!({ "user_identifier": "alice", "title": long }),
            422,
            "title",
        ),
        (json!({ "user_identifier": "bob" }), 403, "user_identifier"),
    ] {
        let (answered, error) = fixture.post(ALICE, "/conversations", body.clone()).await;
        assert_eq!(answered, status, "{body}: {error}");
        assert_eq!(error["error"]["param"], param, "{body}");
    }
    let (_, listed) = fixture.get(ALICE, "/conversations/user/alice").await;
    assert_eq!(listed["data"], json!([]));
}

#[tokio::test]
async fn pages_of_a_list_and_of_a_conversation_follow_their_cursors() {
    let fixture = Fixture::new();
    for number in 0..5 {
        fixture
            .chat(&format!("s{number}"), Some("alice"), "hello")
            .await;
    }
    for number in 0..4 {
        fixture
            .chat("s0", Some("alice"), &format!("more {number}"))
            .await;
    }
    for key in [ALICE, PORTAL] {
        let (_, all) = fixture.get(key, "/conversations/user/alice").await;
        assert_eq!(all["next"], Value::Null);
        let mut paged = Vec::new();
        let mut next = String::new();
        loop {
            let path = format!("/conversations/user/alice?limit=2{next}");
            let (status, page) = fixture.get(key, &path).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            paged.extend(sessions(&page).into_iter().map(str::to_owned));
            let Some(cursor) = page["next"].as_str() else {
                break;
            };
            next = format!("&after={cursor}");
        }
        assert_eq!(paged, sessions(&all));

        let (_, all) = fixture
            .get(key, "/conversations/s0/messages?limit=500")
            .await;
        let all = all["data"].as_array().unwrap().clone();
        assert_eq!(all.len(), 10);
        let mut pages = Vec::new();
        let mut before = String::new();
        loop {
            let path = format!("/conversations/s0/messages?limit=3{before}");
            let (_, page) = fixture.get(key, &path).await;
            pages.push(page["data"].as_array().unwrap().clone());
            let Some(cursor) = page["next"].as_str() else {
                break;
            };
            before = format!("&before={cursor}");
        }
        let paged: Vec<Value> = pages.into_iter().rev().flatten().collect();
        assert_eq!(paged, all);
        let (_, openai) = fixture
            .get(key, "/conversations/s0/messages?format=openai&limit=2")
            .await;
        let expected = json!([
            { "role": "user", "content": "more 3" },
            { "role": "assistant", "content": "so more 3" },
        ]);
        assert_eq!(
            (&openai["data"], &openai["has_more"]),
            (&expected, &json!(true))
        );
    }
}

#[tokio::test]
async fn stats_say_what_a_user_said() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    fixture.chat("t", Some("alice"), "hello").await;
    fixture.chat("s", Some("bob"), "hello").await;
    let (status, stats) = fixture.get(ALICE, "/conversations/user/alice/stats").await;
    assert_eq!(status, StatusCode::OK);
    let day = stats["daily_message_count"].as_object().unwrap();
    let (day, _) = day.iter().next().unwrap();
    let expected = json!({
        "total_conversations": 2,
        "total_messages": 4,
        "total_tokens": 10,
        "models_used": { "m-1": 4 },
        "daily_message_count": { day: 4 },
    });
    assert_eq!(stats, expected);
    for (range, messages) in [
        (format!("from={day}&to={day}"), 4),
        (format!("from={day}T00:00:00.000Z"), 4),
        ("to=2001-01-01".to_owned(), 0),
    ] {
        let path = format!("/conversations/user/alice/stats?{range}");
        let (_, stats) = fixture.get(PORTAL, &path).await;
        assert_eq!(stats["total_messages"], messages, "{range}");
    }
}

#[tokio::test]
async fn a_user_is_erased_with_exact_counts_and_no_other() {
    let fixture = Fixture::new();
    for (session, user) in [("s", "alice"), ("t", "alice"), ("s", "bob")] {
        fixture.chat(session, Some(user), "hello").await;
    }
    let (status, erased) = fixture.delete(ALICE, "/conversations/user/alice").await;
    assert_eq!(status, StatusCode::OK, "{erased}");
    let expected = json!({
        "user_identifier": "alice",
        "deleted": true,
        "conversations_deleted": 2,
        "messages_deleted": 4,
        "errors_deleted": 0,
        "rejects_deleted": 0,
        "response_ids_deleted": 0,
        "usage_daily_deleted": 0,
    });
    assert_eq!(erased, expected);
    let (_, listed) = fixture.get(ALICE, "/conversations/user/alice").await;
    assert_eq!(listed["data"], json!([]));
    let (status, _) = fixture.get(BOB, "/conversations/s").await;
    assert_eq!(status, StatusCode::OK);
    // He may come back.
    fixture.chat("s", Some("alice"), "anew").await;
    let (_, shown) = fixture.get(ALICE, "/conversations/s").await;
    assert_eq!(
        (&shown["message_count"], &shown["title"]),
        (&json!(2), &json!("anew"))
    );
}
