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
        format!("csk-{tail}"),
        format!("Authorization: Basic {tail}"),
        format!("-----BEGIN RSA PRIVATE KEY-----\n{tail}\n-----END RSA PRIVATE KEY-----"),
        format!(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{tail}\n-----END RSA PRIVATE KEY-----"
        ),
        format!(
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{tail}\n=ab1c\n-----END PGP PRIVATE KEY BLOCK-----"
        ),
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
fn a_key_is_found_wherever_it_stands() {
    let random = "a1".repeat(8);
    for key in [
        format!("sk-{random}"),
        format!("AKIA{}", random.to_uppercase()),
        "xoxb-a1b2c3d4e5".to_owned(),
        format!("Bearer {random}{random}"),
        format!("Authorization:    Basic    {random}"),
        format!("AccountKey={random}"),
    ] {
        for before in 0..40 {
            let before = " ".repeat(before);
            for between in [" ", ", and ", "é"] {
                assert_eq!(
                    all(&format!("{before}{key}{between}{key}")),
                    format!("{before}[credential]{between}[credential]")
                );
            }
        }
    }
}

#[test]
fn no_pattern_needs_tables_of_unicode() {
    // They are there or not by what others of an application's crates ask for.
    let others = [
        credentials::PRIVATE_KEY,
        credentials::PASSWORD,
        patterns::EMAIL,
        card::DIGITS,
    ];
    for pattern in credentials::BEGINNINGS.into_iter().chain(others) {
        let syntax = pattern.replace("(?-u:\\b)", "");
        for class in ["\\s", "\\S", "\\d", "\\w", "\\b", "\\p", "(?i"] {
            assert!(!syntax.contains(class), "{pattern}");
        }
    }
}

#[test]
fn a_key_behind_its_length_is_taken_out() {
    for length in 20..127_usize {
        let key = format!("sk-{}", "a1".repeat(length.div_ceil(2)));
        let key = &key[..length];
        let field = format!("\u{12}{}{key}", char::from(length as u8));
        assert!(!all(&field).contains("a1a1"), "{length}");
    }
    let key = format!("sk-{}", "a1".repeat(20));
    assert_eq!(all(&format!("x␛00{key}")), "x␛00[credential]");
}

#[test]
fn what_only_looks_like_one_stays() {
    for text in [
        "a task-management-and-risk-assessment-board",
        "sk-learn-extra-trees-classifier-and-others",
        "Bearer of good news and of an umbrella",
        "a basic understanding0 of things",
        "basic src/components/Button2.tsx",
        "bearer token-based-authentication-v2",
        "git checkout sk-1234-add-user-endpoint",
        "class=\"sk-estimator-id-123 sk-toggleable\"",
        "https://example.org:8080/a@b",
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
fn a_key_behind_an_escape_is_taken_out() {
    let key = format!("sk-proj-{}", "a1".repeat(30));
    for before in ["\\n", "\\t", "\\u000a", "%3D", "risk-", "é"] {
        let text = format!("{{\"keys\":\"x{before}{key}\"}}");
        let redacted = format!("{{\"keys\":\"x{before}[credential]\"}}");
        assert_eq!(all(&text), redacted);
    }
}

#[test]
fn a_password_in_a_url_is_taken_out() {
    assert_eq!(
        Patterns::default().redact("postgres://ada:hunter2@db:5432/x and mysql://b:c@d"),
        "postgres://ada:[credential]@db:5432/x and mysql://b:[credential]@d"
    );
}

#[test]
fn a_private_key_that_was_cut_is_taken_out_as_far_as_it_goes() {
    let text = format!("here: -----BEGIN PRIVATE KEY-----\n{}", "a1".repeat(30));
    assert_eq!(all(&text), "here: [credential]");
}

#[test]
fn a_card_is_found_beside_its_expiry_and_json_stays_json() {
    for (text, redacted) in [
        ("4111111111111111 12/26", "[card] 12/26"),
        ("4111 1111 1111 1111 12/26 123", "[card] 12/26 123"),
        ("pay 5 4111111111111111", "pay 5 [card]"),
        (
            r#"{"card":4111111111111111,"n":[5]}"#,
            r#"{"card":"[card]","n":[5]}"#,
        ),
        (r#"{"card":"4111111111111111"}"#, r#"{"card":"[card]"}"#),
    ] {
        assert_eq!(all(text), redacted);
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
fn it_is_found_in_what_was_not_parsed() {
    let key = format!("sk-{}", "a1".repeat(30));
    let hidden = key.replace('a', "\\u0061");
    let mut spoken = Spoken::default();
    let mut message = Message::new(Role::Assistant, "");
    let source = |text: &str| Kept::Source(format!(r#"{{"b":[1.50,"{text}"],"a":0}}"#));
    let members = [
        ("x".to_owned(), source(&key)),
        ("y".to_owned(), source("é")),
    ];
    let list = Kept::List(vec![source(&hidden), Kept::Members(members.into())]);
    message.keep([("list".to_owned(), list)]);
    spoken.prompt = Prompt::new(vec![message]);
    super::spoken(&Patterns::all(), &mut spoken);
    let [message] = &mut spoken.prompt.messages[..] else {
        panic!("one message");
    };
    let value = |text: &str| json!({"a": 0, "b": [1.5, text]});
    assert_eq!(
        serde_json::Value::Object(message.take_other()),
        json!({"list": [value("[credential]"), {"x": value("[credential]"), "y": value("é")}]})
    );
}

#[test]
fn a_long_text_takes_no_longer_by_the_byte() {
    // A pattern that goes back over what it has read would not come to an end here.
    for part in [
        "sk-",
        "sk-a1",
        "eyJa.",
        "a@a.",
        "4 1-",
        "4",
        "://a:",
        "-----BEGIN PRIVATE KEY-----",
    ] {
        let text = part.repeat((1 << 19) / part.len());
        assert!(!all(&text).is_empty());
    }
}

#[test]
fn bytes_with_a_key_in_them_are_kept_as_text_without_it_and_others_as_they_are() {
    let kept = |bytes: &[u8]| {
        let mut message = Message::new(Role::User, STANDARD.encode(bytes));
        let raw = json!({ "content_type": "", "encoding": "base64", "bytes": bytes.len() });
        message.other.insert("raw".to_owned(), raw);
        let mut said = Spoken::default();
        said.prompt.messages.push(message);
        spoken(&Patterns::default(), &mut said);
        let message = said.prompt.messages.remove(0);
        let encoding = message.other["raw"]["encoding"].clone();
        (message.content, encoding)
    };
    let key = format!("sk-proj-{}", "a1".repeat(24));
    let with_key = [b"\xff\0", key.as_bytes(), b"\xff"].concat();
    let (text, encoding) = kept(&with_key);
    assert_eq!(encoding, "lossy");
    assert_eq!(text, "\u{fffd}\u{fffd}[credential]\u{fffd}");
    assert_eq!(kept(b"\xff\0"), ("/wA=".to_owned(), "base64".into()));
    // A client's own word for it opens no way around.
    let mut said = Spoken::default();
    let mut message = Message::new(Role::User, key.clone());
    message.put_other("raw", r#"{"encoding":"base64"}"#);
    said.prompt.messages.push(message);
    spoken(&Patterns::default(), &mut said);
    assert!(!said.prompt.messages[0].content.contains(&key));
}

#[test]
fn it_is_found_in_what_is_stored_as_its_source_for_half_a_character_in_a_name() {
    let key = format!("sk-{}", "a1".repeat(30));
    let source = format!(r#"{{"\ud800":1,"{key}":2}}"#);
    let mut member = Kept::new(crate::json::Raw::new(&source));
    kept(&Patterns::all(), &mut member);
    let mut stored = String::new();
    member.put(&mut stored);
    assert!(!stored.contains(&key), "{stored}");
}

#[test]
fn what_is_put_in_place_of_a_text_may_be_borrowed() {
    #[derive(Debug)]
    struct Whole;

    impl Redact for Whole {
        fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
            match text.contains("secret") {
                true => "[redacted]".into(),
                false => text.into(),
            }
        }
    }

    let mut said = "a secret".to_owned();
    text(&Whole, &mut said);
    assert_eq!(said, "[redacted]");
    let mut member = Kept::new(crate::json::Raw::new(r#"{"a":"secret"}"#));
    kept(&Whole, &mut member);
    assert_eq!(member.into_value(), json!({"a": "[redacted]"}));
}
