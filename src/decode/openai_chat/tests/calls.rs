use super::*;

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
