use serde_json::json;

use super::*;
use crate::conversation::{Choice, ProviderError, Role, ToolCall};

fn all(text: &str) -> String {
    Patterns::all().redact(text).into_owned()
}

#[test]
fn keys_of_well_known_shapes_are_taken_out() {
    let tail = "a1".repeat(30);
    for key in [
        format!("sk-{tail}"),
        format!("sk-ant-api03-{tail}-_{tail}"),
        format!("sk-proj-{tail}"),
        format!("gsk_{tail}"),
        format!("xai-{tail}"),
        format!("hf_{tail}"),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("AIza{}", &tail[..35]),
        format!("ghp_{}", &tail[..36]),
        format!("github_pat_{tail}"),
        format!("xoxb-{tail}"),
        format!("eyJ{tail}.eyJ{tail}.{tail}"),
        format!("Bearer {tail}"),
        format!("AccountKey={tail}=="),
        format!("-----BEGIN RSA PRIVATE KEY-----\n{tail}\n-----END RSA PRIVATE KEY-----"),
    ] {
        assert_eq!(
            all(&format!("it is {key}, see?")),
            "it is [credential], see?"
        );
        assert_eq!(
            all(&format!("{{\"key\":\"{key}\"}}")),
            r#"{"key":"[credential]"}"#
        );
    }
}

#[test]
fn what_only_looks_like_one_stays() {
    for text in [
        "a task-management-and-risk-assessment-board",
        "sk-learn-extra-trees-classifier-and-others",
        "Bearer of good news and of an umbrella",
        "a basic understanding0 of things",
        "4111 1111 1111 1112 checks badly",
        "order 1234567890123456789012345",
        "me@localhost, @home, a@b",
        "",
    ] {
        assert!(
            matches!(Patterns::all().redact(text), Cow::Borrowed(same) if same == text),
            "{text}"
        );
    }
}

#[test]
fn addresses_and_cards_are_taken_out_where_it_is_asked_for() {
    let text = "ada+x@mail.example.org pays with 4111-1111-1111-1111 or 378282246310005";
    assert_eq!(all(text), "[email] pays with [card] or [card]");
    assert_eq!(Patterns::default().redact(text), text);
    assert_eq!(
        Patterns::none().emails(true).redact(text),
        "[email] pays with 4111-1111-1111-1111 or 378282246310005"
    );
    let key = format!("sk-{}", "a1".repeat(20));
    assert_eq!(Patterns::none().redact(&key), key);
}

#[test]
fn it_is_found_wherever_it_was_said() {
    let key = format!("sk-{}", "a1".repeat(20));
    let mut message = Message::new(Role::Assistant, key.as_str());
    message.reasoning = Some(key.clone());
    message.refusal = Some(key.clone());
    message.tool_calls = vec![ToolCall {
        arguments: json!({ "key": key }).to_string(),
        ..ToolCall::default()
    }];
    message
        .other
        .insert("raw".into(), json!([{ "deep": [key] }]));
    let mut said = Spoken {
        prompt: Prompt {
            instructions: vec![message.clone()],
            tools: Some(json!([{ "description": key }]).to_string()),
            messages: vec![message.clone()],
            ..Prompt::default()
        },
        reply: Reply {
            choices: vec![Choice {
                index: 0,
                message,
                finish_reason: None,
            }],
            error: Some(ProviderError {
                message: key,
                ..ProviderError::default()
            }),
            ..Reply::default()
        },
        ..Spoken::default()
    };
    spoken(&Patterns::default(), &mut said);
    let text = format!("{said:?}");
    assert!(!text.contains("a1a1"), "{text}");
    assert_eq!(text.matches("[credential]").count(), 17);
}

#[test]
fn a_long_text_takes_no_longer_by_the_byte() {
    // A pattern that goes back over what it has read would not come to an end here.
    for part in [
        "sk-",
        "eyJa.",
        "a@a.",
        "4 1-",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        let text = part.repeat((1 << 20) / part.len());
        assert!(!all(&text).is_empty());
    }
}
