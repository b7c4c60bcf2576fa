use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::thread::digest;

const POLICY: Policy = Policy {
    max_decoded_bytes: 0,
    max_parsed_bytes: 256 << 20,
    max_raw_bytes: 0,
    keep_media: false,
};
const KEY: [u8; 32] = [7; 32];

fn asked(request: &Value) -> Prompt {
    prompt(&request.to_string(), false)
        .expect("a request")
        .value
}

fn read(body: &str) -> Reply {
    reply(body, false, false, &POLICY)
        .unwrap_or_else(|unread| panic!("{unread:?}"))
        .value
}

fn pieces() -> Vec<Value> {
    let piece = |parts: Value| json!({"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}], "modelVersion": "m", "responseId": "r"});
    let mut last = piece(json!([{"text": "", "thoughtSignature": "s2"}]));
    last["candidates"][0]["finishReason"] = "STOP".into();
    last["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["q"]});
    last["usageMetadata"] = json!({"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 18,
        "cachedContentTokenCount": 2, "thoughtsTokenCount": 10});
    vec![
        piece(json!([{"text": "hm", "thought": true}])),
        piece(json!([{"text": "Let me "}])),
        piece(json!([{"text": "look."}])),
        piece(
            json!([{"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}]),
        ),
        piece(
            json!([{"functionCall": {"name": "get", "args": {"a": 1}}, "thoughtSignature": "s1"}]),
        ),
        piece(json!([{"functionCall": {"name": "get"}}])),
        last,
    ]
}

fn events() -> String {
    let mut body = String::new();
    for piece in pieces() {
        write!(body, "data: {piece}\r\n\r\n").expect("written");
    }
    body
}

#[test]
fn events_and_a_list_read_the_same() {
    let list = Value::from(pieces());
    let reply = read(&events());
    assert_eq!(reply, read(&list.to_string()));
    // The provider's own spelling of its usage is kept.
    let mut indented = read(&format!("{list:#}"));
    indented.usage.raw.clone_from(&reply.usage.raw);
    assert_eq!(reply, indented);
    assert!(reply.streamed);
    let choice = &reply.choices[0];
    assert_eq!(choice.finish_reason.as_deref(), Some("STOP"));
    let message = &choice.message;
    assert_eq!(
        (message.content.as_str(), message.reasoning.as_deref()),
        ("Let me look.", Some("hm"))
    );
    assert_eq!(message.role, Role::Assistant);
    assert_eq!(message.tool_calls[0].arguments, r#"{"a":1}"#);
    assert_eq!(message.tool_calls[1].arguments, "{}");
    assert_eq!(
        message.clone().take_other()["blocks"][2]["executableCode"]["code"],
        "1"
    );
    assert_eq!(
        message.other["tool_calls"],
        json!([{"index": 0, "thoughtSignature": "s1"}])
    );
    assert!(message.kept.contains_key("groundingMetadata"));
    let usage = &reply.usage;
    assert_eq!(
        (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens
        ),
        (Some(3), Some(5), Some(18))
    );
    assert_eq!(
        (usage.cached_tokens, usage.reasoning_tokens),
        (Some(2), Some(10))
    );
}

#[test]
fn an_answer_that_is_sent_back_has_the_digest_of_the_answer() {
    let given = read(&events());
    for (call, result) in [
        ("functionCall", "functionResponse"),
        ("function_call", "function_response"),
    ] {
        let prompt = asked(&json!({"contents": [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [
                {"text": "Let me look."},
                {call: {"id": "call_1", "name": "get", "args": {"a": 1}}, "thoughtSignature": "s1"},
                {call: {"id": "pyd_ai_2", "name": "get", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {result: {"id": "call_1", "name": "get", "response": {"output": "5"}}},
                {result: {"id": "pyd_ai_2", "name": "get", "response": {"files": [1]}}},
            ]},
        ]}));
        let sent = &prompt.messages;
        assert_eq!(
            digest(&KEY, &sent[1]),
            digest(&KEY, &given.choices[0].message)
        );
        assert_eq!(sent[1].other["tool_calls"][0]["client_id"], "call_1");
        let roles: Vec<&str> = sent.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
        assert_eq!(
            (sent[2].content.as_str(), sent[2].tool_call_id.as_deref()),
            ("5", Some("call_1"))
        );
        assert_eq!(sent[3].content, r#"{"files":[1]}"#);
        assert_eq!(sent[3].other["name"], "get");
    }
}

#[test]
fn an_id_of_the_providers_own_stands_with_the_call() {
    let call = json!({"functionCall": {"id": "8f3jq0zx", "name": "get", "args": {}}});
    let content = json!({"role": "model", "parts": [call]});
    let given = read(&json!({"candidates": [{"content": content}]}).to_string());
    let sent = asked(&json!({"contents": [content]}));
    assert_eq!(
        given.choices[0].message.tool_calls,
        sent.messages[0].tool_calls
    );
    assert_eq!(
        sent.messages[0].tool_calls[0].id.as_deref(),
        Some("8f3jq0zx")
    );
}

#[test]
fn requests_are_read_in_all_their_spellings() {
    for request in [
        json!({"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": [{"parts": [{"text": "x"}]}], "tools": []}),
        json!({"system_instruction": {"parts": {"text": "Be kind."}}, "contents": {"parts": {"text": "x"}}, "tools": []}),
        json!({"systemInstruction": "Be kind.", "contents": "x", "tools": []}),
        json!({"model": "m", "project": "p", "request": {
            "systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": [{"parts": [{"text": "x"}]}], "tools": []}}),
    ] {
        let prompt = asked(&request);
        assert_eq!(prompt.instructions[0].content, "Be kind.", "{request}");
        assert_eq!(prompt.messages[0].content, "x", "{request}");
        assert_eq!(prompt.messages[0].role, Role::User);
        assert_eq!(prompt.tools.as_deref(), Some("[]"));
    }
}

#[test]
fn media_are_the_same_stub_in_either_spelling() {
    let shown = [
        json!({"inlineData": {"mimeType": "image/png", "data": "aGVsbG8="}}),
        json!({"inline_data": {"mime_type": "image/png", "data": "aGVsbG8"}}),
    ];
    let [one, other] = shown.map(|part| {
        let prompt =
            asked(&json!({"contents": [{"role": "user", "parts": [{"text": "see"}, part]}]}));
        prompt.messages.into_iter().next().expect("a message")
    });
    assert_eq!(one, other);
    let stub = one.other["content"][1]["inlineData"]["data"]
        .as_str()
        .expect("a stub");
    assert!(stub.starts_with("data:image/png;bytes=5;sha256="), "{stub}");
}

#[test]
fn a_blocked_prompt_says_why() {
    let reply = read(
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":1}}"#,
    );
    assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("SAFETY"));
    assert_eq!(
        reply.choices[0].message.other["promptFeedback"]["blockReason"],
        "SAFETY"
    );
}

#[test]
fn an_error_within_a_stream_keeps_what_had_arrived() {
    let error = json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}});
    let reply = read(&json!([pieces()[1], error]).to_string());
    let found = reply.error.expect("an error");
    assert_eq!(
        (found.code.as_deref(), found.kind.as_deref()),
        (Some("503"), Some("UNAVAILABLE"))
    );
    assert_eq!(reply.choices[0].message.content, "Let me ");
}

#[test]
fn every_candidate_is_a_choice() {
    let body = json!({"candidates": [
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": 1},
        {"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "MAX_TOKENS"}]});
    let reply = read(&body.to_string());
    let found: Vec<_> = reply
        .choices
        .iter()
        .map(|choice| {
            (
                choice.index,
                choice.message.content.as_str(),
                choice.finish_reason.as_deref(),
            )
        })
        .collect();
    assert_eq!(found, [(0, "a", Some("MAX_TOKENS")), (1, "b", Some("1"))]);
}

#[test]
fn what_is_no_response_is_not_read() {
    for body in ["{}", "<html>", "{\"choices\":[]}", "[1,2]"] {
        assert_eq!(
            reply(body, false, false, &POLICY).err(),
            Some(Unread::Unknown),
            "{body}"
        );
    }
}

#[test]
fn a_long_stream_of_small_pieces_is_read_whole() {
    let piece = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}"#;
    let list = format!("[{}]", vec![piece; 100_000].join(",\n"));
    assert_eq!(read(&list).choices[0].message.content.len(), 100_000);
}

proptest! {
    #[test]
    fn a_list_cut_anywhere_keeps_what_came_before(at: prop::sample::Index) {
        let whole = Value::from(pieces()).to_string();
        let cut = &whole[..at.index(whole.len())];
        if let Ok(read) = reply(cut, false, true, &POLICY) {
            let content = read.value.choices.first().map_or("", |choice| choice.message.content.as_str());
            // What says that it is a thought may have been cut off.
            let is_part = ["Let me look.", "hm"].iter().any(|said| said.starts_with(content));
            prop_assert!(is_part, "{}", content);
        }
    }

    #[test]
    fn arbitrary_pieces_never_panic(
        body in "(\\[|\\]|,|\\{\"(candidates|error|usageMetadata|contents)\":(\\[\\{\"(content|index|parts)\":(\\{\"parts\":\\[\\{\"(text|functionCall|thought)\":(1|\"é\"|\\{\\}|true)\\}\\]\\}|-1|\"x\")\\}\\]|null|\\{\\})\\}){0,8}",
    ) {
        let _ = reply(&body, false, true, &POLICY);
        let _ = prompt(&body, false);
    }
}
