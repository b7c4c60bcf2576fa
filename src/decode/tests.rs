mod limits;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::conversation::Role;

const POLICY: Policy = Policy {
    max_decoded_bytes: 1 << 20,
    max_parsed_bytes: 256 << 20,
    max_raw_bytes: 64,
    keep_media: false,
};

const CHAT: &str = "/v1/chat/completions";

fn payload<'a>(segments: &'a [&'a [u8]]) -> Payload<'a> {
    Payload {
        content_type: "application/json",
        segments,
        ..Payload::default()
    }
}

fn ask(path: &str, request: &[u8]) -> Spoken {
    exchange(path, payload(&[request]), None, &POLICY)
}

fn answer(status: u16, response: &[u8]) -> Spoken {
    exchange(
        CHAT,
        payload(&[br#"{"messages":[]}"#]),
        Some((status, payload(&[response]))),
        &POLICY,
    )
}

#[test]
fn the_dialect_is_chosen_by_the_end_of_the_path() {
    for path in [
        CHAT,
        "/openai/deployments/a/chat/completions/",
        "/v1/chat/completions//",
        "/v1/chat/completion%73",
        "/v1/chat/completions%2F/",
    ] {
        assert_eq!(Dialect::of(path), Some(Dialect::OpenAiChat), "{path}");
    }
    for (path, dialect) in [
        ("/v1/responses", Dialect::OpenAiResponses),
        ("/v1/responses/compact", Dialect::OpenAiResponses),
        ("/v1/completions", Dialect::OpenAiCompletions),
        ("/v1/fim/completions", Dialect::OpenAiCompletions),
        ("/v1/agents/completions", Dialect::OpenAiChat),
        (
            "/openai/deployments/a/embeddings",
            Dialect::OpenAiEmbeddings,
        ),
        ("/v1/chat", Dialect::Cohere),
        ("/v2/chat", Dialect::Cohere),
        ("/v1/generate", Dialect::Cohere),
        ("/api/chat", Dialect::Ollama),
        ("/ollama/api/generate", Dialect::Ollama),
        ("/v2/embed", Dialect::CohereEmbeddings),
        ("/api/embed", Dialect::OllamaEmbeddings),
        ("/api/embeddings", Dialect::OllamaEmbeddings),
    ] {
        assert_eq!(Dialect::of(path), Some(dialect), "{path}");
    }
    for path in [
        "/v1/responses/resp_1/cancel",
        "/v1/models",
        "/chat/completions/1",
        "/chat/completion%7",
        "/",
        "",
    ] {
        assert_eq!(Dialect::of(path), None, "{path}");
    }
}

#[test]
fn an_unknown_path_is_kept_raw() {
    let spoken = exchange(
        "/x",
        payload(&[b"a\0", b"b"]),
        Some((200, payload(&[b"\xFF"]))),
        &POLICY,
    );
    assert_eq!(spoken.provider, None);
    assert_eq!(spoken.prompt.messages[0].content, "a␛00b");
    assert_eq!(spoken.prompt.messages[0].role, Role::User);
    assert_eq!(
        spoken.prompt.messages[0].other["raw"],
        json!({"content_type": "application/json", "encoding": "text", "bytes": 3})
    );
    let reply = &spoken.reply.choices[0].message;
    assert_eq!(
        (reply.role.as_str(), reply.content.as_str()),
        ("assistant", "/w==")
    );
    assert_eq!(reply.other["raw"]["encoding"], "base64");
}

#[test]
fn a_raw_body_is_cut_at_its_cap_and_at_a_character() {
    let body = "é".repeat(50) + "e";
    let spoken = ask("/x", &[b"x", body.as_bytes()].concat());
    assert_eq!(spoken.truncated, Truncated::Cap);
    assert_eq!(spoken.prompt.messages[0].content.len(), 63);
    assert_eq!(spoken.prompt.messages[0].other["raw"]["bytes"], 102);
}

#[test]
fn an_empty_body_and_a_missing_response_give_nothing() {
    let spoken = ask("/x", b"");
    assert_eq!(spoken.prompt, Prompt::default());
    assert_eq!(spoken.reply, Reply::default());
    assert_eq!(spoken.provider, None);
    assert_eq!(ask(CHAT, b"").provider, Some("openai"));
}

#[test]
fn only_the_direction_that_cannot_be_read_is_raw() {
    let spoken = answer(200, b"<html>");
    assert_eq!(spoken.provider, Some("openai"));
    assert!(spoken.prompt.messages.is_empty());
    assert_eq!(spoken.reply.choices[0].message.content, "<html>");
    let spoken = exchange(
        CHAT,
        payload(&[b"?"]),
        Some((200, payload(&[b"?"]))),
        &POLICY,
    );
    assert_eq!(spoken.provider, None);
}

#[test]
fn a_failed_response_is_an_error_in_any_dialect_and_in_none() {
    let spoken = exchange(
        "/x",
        payload(&[]),
        Some((502, payload(&[b"<html>bad gateway"]))),
        &POLICY,
    );
    assert_eq!(
        spoken.reply.error.map(|error| error.message),
        Some("<html>bad gateway".to_owned())
    );
    assert!(spoken.reply.choices.is_empty());
    assert_eq!(answer(500, b"").reply.error, Some(Default::default()));
}

#[test]
fn an_error_with_status_200_is_an_error() {
    let spoken = answer(200, br#"{"error":{"message":"no","code":7}}"#);
    let error = spoken.reply.error.expect("an error");
    assert_eq!(
        (error.message.as_str(), error.code.as_deref()),
        ("no", Some("7"))
    );
}

#[test]
fn a_depth_bomb_is_kept_raw() {
    let bomb = [
        r#"{"messages":[{"role":"user","content":"#,
        &"[".repeat(100_000),
    ]
    .concat();
    let spoken = ask(CHAT, bomb.as_bytes());
    assert!(spoken.prompt.messages[0].other.contains_key("raw"));
    let bomb = [
        r#"{"messages":[{"role":"user","x":"#,
        &"[".repeat(500),
        &"]".repeat(500),
        "}]}",
    ]
    .concat();
    assert!(ask(CHAT, bomb.as_bytes()).prompt.messages[0].other["x"].is_string());
}

#[test]
fn a_request_that_was_cut_keeps_what_came_before() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hello \xE2\x90"#;
    let cut = Payload {
        truncated: true,
        segments: &[
            b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello \xE2\x90",
        ],
        ..Payload::default()
    };
    let spoken = exchange(CHAT, cut, None, &POLICY);
    assert_eq!(spoken.prompt.messages[0].content, "hello ");
    assert!(
        ask(CHAT, body).prompt.messages[0].other.contains_key("raw"),
        "it does not say that it was cut"
    );
}

#[test]
fn expansion_past_the_cap_is_marked_and_read_to_there() {
    use std::io::Write;
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#,
        "a".repeat(2 << 20)
    );
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).expect("written");
    let body = encoder.finish().expect("finished");
    let segments: [&[u8]; 1] = [&body];
    let spoken = exchange(
        CHAT,
        Payload {
            content_encoding: "gzip",
            segments: &segments,
            ..Payload::default()
        },
        None,
        &POLICY,
    );
    assert_eq!(spoken.truncated, Truncated::Cap);
    assert!(spoken.prompt.messages[0].content.starts_with("aaa"));
}

#[test]
fn strings_leave_in_stored_form() {
    let spoken = ask(CHAT, b"{\"messages\":[{\"role\":\"user\",\"content\":\"a\\u0000\xFF\\ud83d\",\"n\\u0000\":\"\\u241b\"}]}");
    let message = &spoken.prompt.messages[0];
    assert_eq!(message.content, "a␛00␛FF␛ED␛A0␛BD");
    assert_eq!(message.other["n␛00"], "␛␛");
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "data: ",
        "\n\n",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"choices\":",
        "\"delta\":",
        "\"message\":",
        "\"messages\":",
        "\"content\":",
        "\"tool_calls\":",
        "\"index\":",
        "\"function\":",
        "\"arguments\":",
        "\"error\":",
        "\"usage\":",
        "\"reasoning_details\":",
        "\"audio\":",
        "\"text\"",
        "0",
        "1e999",
        "null",
        "\\u0000",
        "\\ud83d",
        "␛",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
        "event: error\n",
        "[DONE]",
        "é",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic_and_cuts_never_show(
        request in body(),
        response in body(),
        status in prop::sample::select(vec![200_u16, 400]),
        truncated: bool,
        content_encoding in prop::sample::select(vec!["", "gzip", "br", "snappy"]),
        size in 1..9_usize,
    ) {
        let read = |request: &[&[u8]], response: &[&[u8]]| {
            let payload = Payload { content_type: "text/event-stream", content_encoding, error_type: "", segments: response, truncated };
            exchange(CHAT, Payload { segments: request, ..payload }, Some((status, payload)), &POLICY)
        };
        let whole = read(&[&request], &[&response]);
        let pieces = (request.chunks(size).collect::<Vec<_>>(), response.chunks(size).collect::<Vec<_>>());
        let cut = read(&pieces.0, &pieces.1);
        prop_assert_eq!(&whole.prompt, &cut.prompt);
        prop_assert_eq!(&whole.reply, &cut.reply);
        prop_assert_eq!((whole.provider, whole.truncated), (cut.provider, cut.truncated));
        let choices = whole.reply.choices.iter().map(|choice| &choice.message);
        prop_assert!(whole.prompt.messages.iter().chain(choices).all(|message| !message.content.contains('\0')));
    }
}
