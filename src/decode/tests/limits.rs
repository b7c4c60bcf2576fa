//! What there is no room for stands as it came, and is counted.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::*;

const TIGHT: Policy = Policy {
    max_parsed_bytes: 1 << 20,
    ..POLICY
};

fn empty_messages(count: usize) -> String {
    format!(r#"{{"messages":[{}]}}"#, vec!["{}"; count].join(","))
}

fn heard(request: &[u8], response: Option<(u16, &[u8])>) -> Spoken {
    let response_segments = [response.unwrap_or_default().1];
    let response = response.map(|(status, _)| (status, payload(&response_segments)));
    exchange(CHAT, payload(&[request]), response, &TIGHT)
}

fn streamed(events: &[String]) -> Spoken {
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    heard(b"", Some((200, body.as_bytes())))
}

fn delta(delta: Value) -> String {
    json!({"choices": [{"index": 0, "delta": delta}]}).to_string()
}

#[test]
fn messages_beyond_their_number_are_left_out() {
    let spoken = ask(CHAT, empty_messages(16_384).as_bytes());
    assert_eq!(spoken.prompt.messages.len(), 16_384);
    assert_eq!(spoken.truncated, Truncated::No);
    let spoken = ask(CHAT, empty_messages(16_385).as_bytes());
    assert_eq!(spoken.prompt.messages.len(), 16_384);
    assert_eq!((spoken.truncated, spoken.shed_bytes), (Truncated::Cap, 0));
}

#[test]
fn parts_beyond_their_number_are_left_out() {
    let parts = |count| json!({"messages": [{"content": vec!["x"; count]}]}).to_string();
    let spoken = ask(CHAT, parts(4096).as_bytes());
    assert_eq!(spoken.truncated, Truncated::No);
    let spoken = ask(CHAT, parts(4097).as_bytes());
    assert_eq!(spoken.truncated, Truncated::Cap);
    assert_eq!(spoken.prompt.messages[0].content.len(), 2 * 4096 - 1);
}

#[test]
fn a_bomb_of_empty_objects_is_kept_raw() {
    let body = empty_messages(10_000);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_bytes()).expect("written");
    let compressed = encoder.finish().expect("finished");
    let segments = [compressed.as_slice()];
    let request = Payload {
        content_encoding: "gzip",
        segments: &segments,
        ..Payload::default()
    };
    let spoken = exchange(CHAT, request, None, &TIGHT);
    assert_eq!(spoken.truncated, Truncated::Budget);
    assert_eq!(spoken.shed_bytes, (body.len() - TIGHT.max_raw_bytes) as u64);
    assert_eq!(spoken.prompt.messages.len(), 1);
    assert_eq!(spoken.prompt.messages[0].other["raw"]["bytes"], body.len());
}

#[test]
fn code_that_is_full_of_braces_is_read() {
    let code = "fn f() { g({[1, 2]}) }\n".repeat(10_000);
    let body = json!({"messages": [{"role": "user", "content": code}]}).to_string();
    let spoken = heard(body.as_bytes(), None);
    assert_eq!(spoken.prompt.messages[0].content, code);
    assert_eq!((spoken.truncated, spoken.shed_bytes), (Truncated::No, 0));
}

#[test]
fn a_text_that_would_grow_beyond_the_room_is_kept_raw() {
    let mut body = br#"{"messages":[{"content":""#.to_vec();
    body.resize(300_000, 0xFF);
    body.extend_from_slice(br#""}]}"#);
    let spoken = heard(&body, None);
    assert_eq!(spoken.truncated, Truncated::Budget);
    assert!(spoken.prompt.messages[0].other.contains_key("raw"));
}

#[test]
fn prompt_and_reply_share_the_room() {
    let request = json!({"messages": [{"content": "a".repeat(450_000)}]}).to_string();
    let response = json!({"choices": [{"message": {"content": "b".repeat(300_000)}}]}).to_string();
    let (request, response) = (request.as_bytes(), response.as_bytes());
    let spoken = heard(b"", Some((200, response)));
    assert_eq!(spoken.truncated, Truncated::No);
    let spoken = heard(request, Some((200, response)));
    assert_eq!(spoken.prompt.messages[0].content.len(), 450_000);
    assert_eq!(spoken.truncated, Truncated::Budget);
    let raw = &spoken.reply.choices[0].message.other["raw"];
    assert_eq!(raw["bytes"], response.len());
}

#[test]
fn an_error_that_there_is_no_room_for_is_its_beginning() {
    let body = empty_messages(10_000);
    let spoken = heard(b"", Some((500, body.as_bytes())));
    assert_eq!(spoken.truncated, Truncated::Budget);
    assert_eq!(spoken.shed_bytes, body.len() as u64);
    let error = spoken.reply.error.expect("an error");
    assert!(error.message.starts_with(r#"{"messages":[{},"#));
}

#[test]
fn an_event_that_is_too_large_is_passed_over() {
    let bomb = delta(json!({"odd": vec![json!({}); 10_000]}));
    let spoken = streamed(&[
        delta(json!({"content": "a"})),
        bomb.clone(),
        delta(json!({"content": "b"})),
    ]);
    assert_eq!(spoken.reply.choices[0].message.content, "ab");
    assert_eq!(spoken.truncated, Truncated::Budget);
    assert_eq!(spoken.shed_bytes, bomb.len() as u64);
    let spoken = streamed(&[bomb]);
    assert!(spoken.reply.choices[0].message.other.contains_key("raw"));
}

#[test]
fn what_grows_event_by_event_stops_where_the_room_ends() {
    let grows = [
        json!({"content": "x".repeat(1000)}),
        json!({"reasoning": "x".repeat(1000)}),
        json!({"odd": [{}, {}]}),
        json!({"content": [{"type": "image"}]}),
        json!({"tool_calls": [{"function": {"name": "f", "arguments": "x".repeat(1000)}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "x".repeat(1000)}}]}),
    ];
    for grow in grows {
        let events = vec![delta(grow.clone()); 2000];
        let spoken = streamed(&events);
        assert_eq!(spoken.truncated, Truncated::Budget, "{grow}");
        assert!(spoken.shed_bytes > 0, "{grow}");
        let raw = &spoken.reply.choices[0].message.other;
        assert!(!raw.contains_key("raw"), "{grow}");
    }
}

#[test]
fn what_is_only_said_again_does_not_grow() {
    let events = vec![delta(json!({"content": "", "odd": {"a": [1, 2, 3]}})); 5000];
    assert_eq!(streamed(&events).truncated, Truncated::No);
    let events: Vec<String> = (0..5000).map(|n| delta(json!({"odd": n}))).collect();
    assert_eq!(streamed(&events).truncated, Truncated::No);
}
