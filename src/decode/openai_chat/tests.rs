use std::fmt::Write;

use serde_json::json;

use super::*;
use crate::conversation::Message;

fn asked(message: Value) -> Message {
    let source = json!({"model": "m", "stream": true, "messages": [message]}).to_string();
    let read = prompt(&source, false).expect("a request");
    assert!(read.value.stream);
    read.value.messages.into_iter().next().expect("a message")
}

fn answered(message: Value) -> Message {
    let source = json!({"choices": [{"message": message, "finish_reason": "stop"}]}).to_string();
    let read = reply(&source, false, false, false).expect("a reply");
    read.value
        .choices
        .into_iter()
        .next()
        .expect("a choice")
        .message
}

fn streamed(chunks: &[Value]) -> Reply {
    let mut body = String::new();
    for chunk in chunks {
        write!(body, "data: {chunk}\n\n").expect("written");
    }
    reply(&body, true, false, false).expect("a reply").value
}

fn deltas(deltas: &[Value]) -> Message {
    let chunks: Vec<Value> = deltas
        .iter()
        .map(|delta| json!({"choices": [{"index": 0, "delta": delta}]}))
        .collect();
    streamed(&chunks)
        .choices
        .into_iter()
        .next()
        .expect("a choice")
        .message
}

fn calls(message: &Message) -> Vec<(Option<&str>, &str, &str)> {
    message
        .tool_calls
        .iter()
        .map(|call| {
            (
                call.id.as_deref(),
                call.name.as_str(),
                call.arguments.as_str(),
            )
        })
        .collect()
}

#[test]
fn text_parts_are_joined_by_lines() {
    let message = asked(
        json!({"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}, {"type": "text", "text": "b"}]}),
    );
    assert_eq!((message.content.as_str(), message.other.len()), ("a\nb", 0));
}

#[test]
fn parts_that_are_no_text_keep_the_list() {
    let message = asked(json!({"role": "user", "content": [
        {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}]}));
    assert_eq!(message.content, "a");
    let url = message.other["content"][1]["image_url"]["url"]
        .as_str()
        .expect("a url");
    assert!(url.starts_with("data:image/png;bytes=5;sha256="), "{url}");
}

#[test]
fn unknown_roles_and_members_are_kept() {
    let message = asked(
        json!({"role": "ipython", "content": "x", "name": "n", "odd": {"a": 1}, "nothing": null}),
    );
    assert_eq!(message.role, Role::Other("ipython".to_owned()));
    assert_eq!(
        Value::Object(message.other),
        json!({"name": "n", "odd": {"a": 1}})
    );
}

#[test]
fn calls_of_every_kind_are_read() {
    let message = asked(
        json!({"role": "assistant", "content": null, "function_call": {"name": "old", "arguments": "{}"}, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": \"\\u00e9\"}"}, "extra_content": {"x": 1}},
            {"id": "2", "function": {"name": "g", "arguments": {"b": 2}}},
            {"id": "3", "type": "custom", "custom": {"name": "h", "input": "raw"}, "function": {"name": "", "arguments": ""}},
        ]}),
    );
    assert_eq!(
        calls(&message),
        [
            (Some("1"), "f", r#"{"a": "\u00e9"}"#),
            (Some("2"), "g", r#"{"b":2}"#),
            (Some("3"), "h", "raw"),
            (None, "old", "{}")
        ]
    );
    let kinds: Vec<_> = message
        .tool_calls
        .iter()
        .map(|call| call.kind.as_str())
        .collect();
    assert_eq!(kinds, ["function", "function", "custom", "function_call"]);
    assert_eq!(
        message.other["tool_calls"],
        json!([{"index": 0, "extra_content": {"x": 1}}])
    );
}

#[test]
fn reasoning_is_read_in_its_spellings() {
    for key in ["reasoning_content", "reasoning", "thinking"] {
        assert_eq!(
            asked(json!({"role": "assistant", key: "why"}))
                .reasoning
                .as_deref(),
            Some("why"),
            "{key}"
        );
        assert_eq!(
            deltas(&[json!({key: "w"}), json!({key: "hy"})])
                .reasoning
                .as_deref(),
            Some("why"),
            "{key}"
        );
    }
    let message = answered(
        json!({"reasoning": "why", "reasoning_content": "why", "content": "<think>x</think>"}),
    );
    assert_eq!(
        (message.reasoning.as_deref(), message.other.len()),
        (Some("why"), 0)
    );
    assert_eq!(message.content, "<think>x</think>");
    let message = asked(json!({"role": "assistant", "reasoning": {"effort": 1}}));
    assert_eq!(
        (message.reasoning, &message.other["reasoning"]),
        (None, &json!({"effort": 1}))
    );
    let both = deltas(&[
        json!({"reasoning": "a", "reasoning_content": "a"}),
        json!({"reasoning": "b", "reasoning_content": "b"}),
    ]);
    assert_eq!(both.reasoning.as_deref(), Some("ab"));
}

#[test]
fn a_list_of_parts_is_read_as_text_and_thinking() {
    let parts = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "why"}]}, {"type": "text", "text": "4"}]);
    for message in [
        answered(json!({"content": parts})),
        deltas(&[json!({"content": parts})]),
    ] {
        assert_eq!(
            (message.content.as_str(), message.reasoning.as_deref()),
            ("4", Some("why"))
        );
        assert!(message.other.is_empty());
    }
}

#[test]
fn streamed_calls_are_put_together_by_index() {
    let message = deltas(&[
        json!({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]}),
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}}, {"index": 1, "function": {"arguments": "[]"}}]}),
    ]);
    assert_eq!(
        calls(&message),
        [(Some("b"), "g", "[]"), (Some("a"), "f", "{}")]
    );
}

#[test]
fn streamed_calls_without_an_index_start_with_a_new_id_or_name() {
    let message = deltas(&[
        json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "1"}}]}),
        json!({"tool_calls": [{"function": {"arguments": "2"}}]}),
        json!({"tool_calls": [{"id": "b", "function": {"name": "f", "arguments": "3"}}]}),
        json!({"tool_calls": [{"function": {"name": "g", "arguments": {"x": 4}}}, {"function": {"name": "g", "arguments": "5"}}]}),
    ]);
    assert_eq!(
        calls(&message),
        [
            (Some("a"), "f", "12"),
            (Some("b"), "f", "3"),
            (None, "g", "{\"x\":4}"),
            (None, "g", "5")
        ]
    );
}

#[test]
fn calls_that_share_the_index_are_told_apart_by_id() {
    let message = deltas(&[
        json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}}]}),
        json!({"tool_calls": [{"index": 0, "id": "b", "function": {"name": "f", "arguments": "2"}}]}),
    ]);
    assert_eq!(
        calls(&message),
        [(Some("a"), "f", "1"), (Some("b"), "f", "2")]
    );
}

#[test]
fn calls_that_share_the_index_within_a_delta_are_told_apart_by_name() {
    let message = deltas(&[
        json!({"tool_calls": [
            {"index": 0, "id": "", "function": {"name": "f", "arguments": "{\"a\":1}"}},
            {"index": 0, "id": "", "function": {"name": "g", "arguments": "{\"b\""}},
        ]}),
        json!({"tool_calls": [{"index": 0, "id": "", "function": {"name": "g", "arguments": ":2"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
    ]);
    assert_eq!(
        calls(&message),
        [(None, "f", "{\"a\":1}"), (None, "g", "{\"b\":2}")]
    );
    let message = deltas(&[json!({"tool_calls": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}},
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "2"}},
        {"index": 0, "function": {"arguments": "3"}},
    ]})]);
    assert_eq!(calls(&message), [(Some("a"), "f", "123")]);
}

#[test]
fn an_empty_id_of_a_call_is_none() {
    let call = json!({"tool_calls": [{"id": "", "function": {"name": "f", "arguments": ""}}]});
    for message in [answered(call.clone()), deltas(&[call])] {
        assert_eq!(calls(&message), [(None, "f", "")]);
    }
}

#[test]
fn a_whole_message_at_the_end_does_not_double_a_refusal() {
    let reply = streamed(&[
        json!({"choices": [{"index": 0, "delta": {"refusal": "no"}}]}),
        json!({"choices": [{"index": 0, "message": {"refusal": "no"}, "finish_reason": "stop"}]}),
    ]);
    assert_eq!(reply.choices[0].message.refusal.as_deref(), Some("no"));
}

#[test]
fn the_last_usage_that_says_something_stands() {
    let reply = streamed(&[
        json!({"id": "", "choices": [], "usage": {"prompt_tokens": 1}, "x_groq": {"usage": {"prompt_tokens": 9}}}),
        json!({"id": "r", "choices": [], "usage": {"prompt_tokens": 2}}),
        json!({"id": "r", "choices": [{"index": 0, "delta": {}}], "usage": null}),
    ]);
    assert_eq!(
        (reply.usage.prompt_tokens, reply.usage.raw.as_deref()),
        (Some(2), Some(r#"{"prompt_tokens":2}"#))
    );
    assert_eq!(reply.response_id.as_deref(), Some("r"));
    let reply = streamed(&[json!({"choices": [], "x_groq": {"usage": {"prompt_tokens": 9}}})]);
    assert_eq!(reply.usage.prompt_tokens, Some(9));
}

#[test]
fn lists_of_deltas_grow_and_thinking_details_are_joined() {
    let detail = |text: &str| json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": text, "format": null}]});
    let message = deltas(&[
        detail("a"),
        detail("b"),
        json!({"annotations": [{"type": "u"}]}),
        json!({"annotations": [{"type": "u"}], "channel": "x"}),
    ]);
    assert_eq!(
        Value::Object(message.other),
        json!({
            "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "ab", "format": null}],
            "annotations": [{"type": "u"}, {"type": "u"}],
            "channel": "x",
        })
    );
}

#[test]
fn streamed_audio_becomes_one_stub() {
    let message = deltas(&[
        json!({"audio": {"id": "a", "transcript": "hel"}}),
        json!({"audio": {"data": "aGU="}}),
        json!({"audio": {"data": "bGxv", "transcript": "lo", "expires_at": 7}}),
    ]);
    let audio = &message.other["audio"];
    assert_eq!(
        (&audio["transcript"], &audio["id"], &audio["expires_at"]),
        (&json!("hello"), &json!("a"), &json!(7))
    );
    assert!(
        audio["data"]
            .as_str()
            .expect("a stub")
            .contains(";bytes=5;sha256=2cf24dba")
    );
}

#[test]
fn an_error_in_the_stream_keeps_what_came_before() {
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"so far\"}}]}\n\nevent: error\ndata: overloaded\n\n";
    let reply = reply(body, true, false, false).expect("a reply").value;
    assert_eq!(
        reply.error.map(|error| error.message).as_deref(),
        Some("overloaded")
    );
    assert_eq!(reply.choices[0].message.content, "so far");
}

#[test]
fn events_that_are_no_chunks_are_counted() {
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\ndata: junk\n\ndata: {}\n\ndata: [DONE]\n\n";
    let read = reply(body, true, false, false).expect("a reply").value;
    assert_eq!(
        read.choices[0].message.other["unparsed_events"],
        json!({"count": 2, "first": "junk"})
    );
    assert!(reply("data: junk\n\n", true, false, false).is_none());
    assert!(
        reply(": ping\n\n", true, false, false)
            .expect("a reply")
            .value
            .choices
            .is_empty()
    );
}

#[test]
fn the_body_tells_its_form_whatever_its_content_type_says() {
    let whole = json!({"choices": [{"message": {"content": "x"}}]}).to_string();
    assert!(
        !reply(&whole, true, false, false)
            .expect("a reply")
            .value
            .streamed
    );
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    assert!(
        reply(body, false, false, false)
            .expect("a reply")
            .value
            .streamed
    );
}

#[test]
fn the_last_event_of_a_cut_stream_is_read_to_the_cut() {
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b";
    assert_eq!(
        reply(body, true, true, false)
            .expect("a reply")
            .value
            .choices[0]
            .message
            .content,
        "ab"
    );
}

#[test]
fn the_vendors_words_stand_with_the_first_choice() {
    let reply = streamed(&[
        json!({"system_fingerprint": "fp", "provider": "P", "object": "o", "obfuscation": "x",
        "choices": [{"index": 0, "delta": {}, "logprobs": {}, "native_finish_reason": "STOP"}]}),
    ]);
    assert_eq!(reply.provider.as_deref(), Some("P"));
    assert_eq!(
        Value::Object(reply.choices[0].message.other.clone()),
        json!({"system_fingerprint": "fp", "native_finish_reason": "STOP"})
    );
}

#[test]
fn choices_and_calls_beyond_their_number_are_left_out() {
    let choices: Vec<Value> = (0..2000)
        .map(|index| json!({"index": index, "delta": {"content": "x"}}))
        .collect();
    let body = format!("data: {}\n\n", json!({ "choices": choices }));
    let read = reply(&body, true, false, false).expect("a reply");
    assert_eq!(
        (read.value.choices.len(), read.truncated),
        (MAX_CHOICES, Truncated::Cap)
    );
    let calls: Vec<Value> = (0..70_000).map(|index| json!({"index": index})).collect();
    let body = format!(
        "data: {}\n\n",
        json!({"choices": [{"delta": {"tool_calls": calls}}]})
    );
    let read = reply(&body, true, false, false).expect("a reply");
    assert_eq!(
        (
            read.value.choices[0].message.tool_calls.len(),
            read.truncated
        ),
        (MAX_TOOL_CALLS, Truncated::Cap)
    );
}

#[test]
fn a_long_stream_of_small_deltas_is_read_whole() {
    let body =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n".repeat(100_000);
    assert_eq!(
        reply(&body, true, false, false)
            .expect("a reply")
            .value
            .choices[0]
            .message
            .content
            .len(),
        100_000
    );
}
