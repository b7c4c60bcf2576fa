//! Exports, to their last message.

use http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{ALICE, Fixture, PORTAL};

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
        assert_eq!(markdown.matches("\n\nso second\n\n").count(), 2);

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
