//! Reading conversations, and adding to them.

use std::collections::BTreeSet;

use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::fixture::{ALICE, Fixture, PORTAL, answer, names, sessions};

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
    let (_, latest) = fixture.get(ALICE, "/conversations/s?limit=1").await;
    assert_eq!(latest["messages"][0]["role"], "assistant");
    assert_eq!(latest["has_more"], true);
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
