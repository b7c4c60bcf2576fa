mod hostile;

use std::fmt::Write;

use serde_json::json;

use super::*;
use crate::thread::digest;

const POLICY: Policy = Policy {
    max_decoded_bytes: 0,
    max_parsed_bytes: 256 << 20,
    max_raw_bytes: 0,
    keep_media: false,
};

fn asked(request: &Value) -> Prompt {
    prompt(&request.to_string(), false)
        .expect("a request")
        .value
}

fn said(messages: Value) -> Vec<Message> {
    asked(&json!({"model": "m", "messages": messages})).messages
}

fn answered(response: &Value) -> Reply {
    reply(&response.to_string(), false, false, &POLICY)
        .unwrap_or_else(|unread| panic!("{unread:?}"))
        .value
}

fn body(events: &[Value]) -> String {
    let mut body = String::new();
    for event in events {
        let kind = event["type"].as_str().expect("a type");
        write!(body, "event: {kind}\ndata: {event}\n\n").expect("written");
    }
    body
}

fn streamed(events: &[Value]) -> Reply {
    reply(&body(events), true, false, &POLICY)
        .unwrap_or_else(|unread| panic!("{unread:?}"))
        .value
}

fn only(reply: &Reply) -> &Message {
    assert_eq!(reply.choices.len(), 1);
    &reply.choices[0].message
}

/// An answer of every common kind of block, as the documentation shows them.
fn answer() -> Value {
    json!([
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Let me look."},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "text", "text": " Found.", "citations": [{"type": "web_search_result_location", "url": "u"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {"a": 1, "b": "é"}},
        {"type": "tool_use", "id": "toolu_2", "name": "none", "input": {}},
    ])
}

fn events(blocks: &Value) -> Vec<Value> {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [],
            "model": "m", "stop_reason": null, "usage": {"input_tokens": 9, "output_tokens": 1}}}),
        json!({"type": "ping"}),
    ];
    for (index, block) in (0..).zip(blocks.as_array().expect("blocks")) {
        let mut start = block.clone();
        let mut deltas = Vec::new();
        for (member, kind, delta) in [
            ("text", "text_delta", "text"),
            ("thinking", "thinking_delta", "thinking"),
            ("signature", "signature_delta", "signature"),
        ] {
            if let Some(text) = block[member].as_str() {
                start[member] = "".into();
                for letter in text.chars() {
                    deltas.push(json!({"type": kind, delta: letter.to_string()}));
                }
            }
        }
        for citation in block["citations"].as_array().into_iter().flatten() {
            start["citations"] = json!([]);
            deltas.push(json!({"type": "citations_delta", "citation": citation}));
        }
        if block["input"].is_object() {
            start["input"] = json!({});
            deltas.push(json!({"type": "input_json_delta", "partial_json": ""}));
            for letter in block["input"].to_string().chars() {
                deltas
                    .push(json!({"type": "input_json_delta", "partial_json": letter.to_string()}));
            }
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.extend(
            deltas.iter().map(
                |delta| json!({"type": "content_block_delta", "index": index, "delta": delta}),
            ),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
        "usage": {"output_tokens": 30}}),
    );
    events.push(json!({"type": "message_stop"}));
    events
}

#[test]
fn a_stream_reads_as_the_whole_answer_does() {
    let whole = answered(
        &json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": answer(),
            "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 30}}),
    );
    let stream = streamed(&events(&answer()));
    assert_eq!(stream.choices, whole.choices);
    assert_eq!(stream.usage.prompt_tokens, whole.usage.prompt_tokens);
    assert_eq!(stream.usage.completion_tokens, Some(30));
    let message = only(&whole);
    assert_eq!(message.content, "Let me look. Found.");
    assert_eq!(message.reasoning.as_deref(), Some("hm"));
    assert_eq!(message.tool_calls.len(), 2);
    assert_eq!(message.tool_calls[1].arguments, "{}");
    let other = message.clone().take_other();
    assert_eq!(other["blocks"][2]["name"], "web_search");
    assert_eq!(other["blocks"][4]["citations"][0]["url"], "u");
}

#[test]
fn an_answer_that_is_sent_back_has_the_digest_of_the_answer() {
    let key = [7; 32];
    let given = streamed(&events(&answer()));
    let history = json!([
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": answer()},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "5"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": [{"type": "text", "text": "no"}]},
            {"type": "text", "text": "go on", "cache_control": {"type": "ephemeral"}},
        ]},
    ]);
    let sent = said(history);
    assert_eq!(digest(&key, &sent[1]), digest(&key, only(&given)));
    // Most clients send back no thinking, and none of what the server did.
    let mut spoken = answer();
    spoken
        .as_array_mut()
        .expect("blocks")
        .retain(|block| matches!(block["type"].as_str(), Some("text" | "tool_use")));
    let sent_bare = said(json!([{"role": "assistant", "content": spoken}]));
    assert_eq!(digest(&key, &sent_bare[0]), digest(&key, only(&given)));

    let roles: Vec<&str> = sent.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "user"]);
    assert_eq!(
        (sent[2].tool_call_id.as_deref(), sent[2].content.as_str()),
        (Some("toolu_1"), "5")
    );
    assert_eq!(
        (sent[3].content.as_str(), &sent[3].other["is_error"]),
        ("no", &true.into())
    );
    assert_eq!(sent[4].content, "go on");
    assert!(sent[4].other.is_empty());
}

#[test]
fn instructions_and_tools_stand_apart() {
    let prompt = asked(
        &json!({"model": "m", "stream": true, "tools": [{"name": "get"}], "messages": [{"role": "user", "content": "x"}],
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1;"},
            {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be short."},
        ]}),
    );
    assert_eq!(prompt.instructions.len(), 1);
    assert_eq!(prompt.instructions[0].content, "Be kind.\nBe short.");
    assert_eq!(
        prompt.instructions[0].other["billing"],
        "x-anthropic-billing-header: cc_version=2; cch=1;"
    );
    assert_eq!(prompt.tools.as_deref(), Some(r#"[{"name":"get"}]"#));
    assert!(prompt.stream);
    assert_eq!(
        asked(&json!({"system": "Be kind.", "messages": []})).instructions[0].content,
        "Be kind."
    );
}

#[test]
fn media_become_stubs() {
    let source = json!({"type": "base64", "media_type": "image/png", "data": "aGVsbG8="});
    let sent = said(json!([{"role": "user", "content": [
        {"type": "text", "text": "what is this?"}, {"type": "image", "source": source}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": source}]}]}]));
    for message in &sent {
        let stub = message.other["content"].to_string();
        assert!(stub.contains("data:image/png;bytes=5;sha256="), "{stub}");
    }
    assert_eq!(sent[0].content, "what is this?");
}

#[test]
fn an_error_within_a_stream_keeps_what_had_arrived() {
    let mut events = events(&json!([{"type": "text", "text": "half"}]));
    events.truncate(5);
    events.push(
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    let reply = streamed(&events);
    let error = reply.error.as_ref().expect("an error");
    assert_eq!(
        (error.message.as_str(), error.kind.as_deref()),
        ("Overloaded", Some("overloaded_error"))
    );
    assert_eq!(only(&reply).content, "ha");
}

#[test]
fn a_refusal_and_what_comes_with_it_are_kept() {
    let mut events = events(&json!([{"type": "text", "text": "I"}]));
    events.pop();
    let last = json!({"type": "message_delta", "usage": {"output_tokens": 2}, "context_management": {"applied_edits": []},
        "delta": {"stop_reason": "refusal", "stop_details": {"category": "cyber"}, "container": {"id": "c"}}});
    *events.last_mut().expect("an event") = last;
    let reply = streamed(&events);
    assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("refusal"));
    let other = only(&reply).clone().take_other();
    assert_eq!(
        (
            &other["stop_details"]["category"],
            &other["container"]["id"]
        ),
        (&"cyber".into(), &"c".into())
    );
    assert!(other.contains_key("context_management"));
}

#[test]
fn blocks_and_events_that_nobody_knows_are_kept() {
    let mut events =
        events(&json!([{"type": "compaction", "content": null}, {"type": "novel", "x": 1}]));
    let delta = json!({"type": "compaction_delta", "content": "in short"});
    events.insert(
        3,
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
    );
    events.push(json!({"type": "novel_event", "y": 2}));
    let reply = streamed(&events);
    let other = only(&reply).clone().take_other();
    assert_eq!(
        other["blocks"],
        json!([{"type": "compaction", "content": "in short"}, {"type": "novel", "x": 1}])
    );
    assert_eq!(other["unparsed_events"]["count"], 1);
}

#[test]
fn the_words_of_older_models_are_read() {
    let prompt = asked(&json!({"model": "claude-2", "prompt": "\n\nHuman: hi\n\nAssistant:"}));
    assert_eq!(prompt.messages[0].content, "\n\nHuman: hi\n\nAssistant:");
    let whole = json!({"type": "completion", "id": "c", "completion": " Hello", "stop_reason": "stop_sequence", "model": "m"});
    let reply = answered(&whole);
    assert_eq!(only(&reply).content, " Hello");
    let stream = streamed(&[
        json!({"type": "completion", "completion": " Hel", "stop_reason": null}),
        json!({"type": "completion", "completion": "lo", "stop_reason": "stop_sequence"}),
    ]);
    assert_eq!(only(&stream).content, " Hello");
    assert_eq!(
        stream.choices[0].finish_reason,
        reply.choices[0].finish_reason
    );
}

#[test]
fn the_kind_of_a_block_is_no_place_for_media() {
    let kind = "data:image/png;base64,aGVsbG8=";
    let reply = streamed(&[
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": kind, "id": "t"}}),
    ]);
    let other = only(&reply).clone().take_other();
    let stored = Value::Object(other).to_string();
    assert!(!stored.contains("aGVsbG8="), "{stored}");
}

#[test]
fn a_kind_that_cannot_be_read_is_kept_as_its_source() {
    let data =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":[1e400],"id":"t"}}"#;
    let body = format!("data: {data}\n\n");
    let reply = reply(&body, true, false, &POLICY).expect("a reply").value;
    let other = only(&reply).clone().take_other();
    assert_eq!(other["blocks"], json!([{"type": "[1e400]", "id": "t"}]));
}
