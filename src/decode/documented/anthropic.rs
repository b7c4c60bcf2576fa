//! Anthropic's messages, at its own API and at Google's.

use serde_json::{Value, json};

use super::{MESSAGES, assert_has, events, failed, prompt, reply, whole};

/// Where Google serves them.
const VERTEX: &str =
    "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@20250101:streamRawPredict";

fn begin() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "output_tokens": 1,
            "cache_creation_input_tokens": 3, "cache_read_input_tokens": 2, "cache_creation": {"ephemeral_5m_input_tokens": 3},
            "service_tier": "standard"}}})
}

fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

#[test]
fn every_block_of_a_stream_has_its_place() {
    let all = [
        begin(),
        json!({"type": "ping"}),
        start(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        delta(0, json!({"type": "thinking_delta", "thinking": "h"})),
        delta(
            0,
            json!({"type": "thinking_delta", "thinking": "m", "estimated_tokens": 2}),
        ),
        delta(0, json!({"type": "signature_delta", "signature": "Eq"})),
        stop(0),
        start(1, json!({"type": "redacted_thinking", "data": "Em"})),
        stop(1),
        start(
            2,
            json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        ),
        delta(
            2,
            json!({"type": "input_json_delta", "partial_json": "{\"query\": "}),
        ),
        delta(
            2,
            json!({"type": "input_json_delta", "partial_json": "\"q\"}"}),
        ),
        stop(2),
        start(
            3,
            json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
            "content": [{"type": "web_search_result", "title": "A", "url": "https://a", "encrypted_content": "x", "page_age": null}]}),
        ),
        stop(3),
        start(4, json!({"type": "text", "text": "", "citations": []})),
        delta(
            4,
            json!({"type": "citations_delta", "citation": {"type": "web_search_result_location", "url": "https://a", "cited_text": "c"}}),
        ),
        delta(4, json!({"type": "text_delta", "text": "Ye"})),
        delta(4, json!({"type": "text_delta", "text": "s"})),
        stop(4),
        start(
            5,
            json!({"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {}}),
        ),
        stop(5),
        start(6, json!({"type": "block_of_tomorrow", "words": "w"})),
        delta(6, json!({"type": "delta_of_tomorrow", "more": "x"})),
        stop(6),
        start(
            7,
            json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}}),
        ),
        delta(7, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(
            7,
            json!({"type": "input_json_delta", "partial_json": "{\"a\": 1}"}),
        ),
        stop(7),
        json!({"type": "event_of_tomorrow", "words": "w"}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null,
            "container": {"id": "container_1", "expires_at": "x"}}, "context_management": {"applied_edits": [{"type": "clear"}]},
            "usage": {"input_tokens": 6, "output_tokens": 40, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 2,
                "server_tool_use": {"web_search_requests": 1}}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 6}}),
    ];
    for path in [MESSAGES, VERTEX] {
        let found = reply(path, &events(&all));
        assert_has(
            &found,
            &json!({"id": "msg_1", "model": "claude", "streamed": true, "error": null,
                "usage": {"prompt": 6, "completion": 40, "cached": 2, "cache_write": 3, "total": null},
                "choices": [{"role": "assistant", "text": "Yes", "reasoning": "hm", "finish": "tool_use",
                    "calls": [["toolu_1", "tool_use", "f", "{\"a\": 1}"]],
                    "other": {"container": {"id": "container_1"}, "context_management": {"applied_edits": [{"type": "clear"}]},
                        "tool_calls": [{"index": 0, "caller": {"type": "direct"}}], "unparsed_events": {"count": 1}}}]}),
        );
        assert_has(
            &found["choices"][0]["other"]["blocks"],
            &json!([{"type": "thinking", "signature": "Eq"}, {"type": "redacted_thinking", "data": "Em"},
                {"type": "server_tool_use", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "content": [{"url": "https://a"}]},
                {"type": "text", "citations": [{"url": "https://a"}]},
                {"type": "mcp_tool_use", "server_name": "s"},
                {"type": "block_of_tomorrow", "words": "w", "more": "x"}, {"type": "tool_use", "id": "toolu_1"}]),
        );
    }
}

#[test]
fn an_overload_within_a_stream_keeps_what_had_arrived() {
    let all = [
        begin(),
        start(0, json!({"type": "text", "text": ""})),
        delta(0, json!({"type": "text_delta", "text": "Ye"})),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded", "details": null}, "request_id": "req_1"}),
    ];
    assert_has(
        &reply(MESSAGES, &events(&all)),
        &json!({"choices": [{"text": "Ye", "finish": null}],
            "error": {"message": "Overloaded", "type": "overloaded_error", "other": {"request_id": "req_1"}}}),
    );
}

#[test]
fn a_call_whose_input_is_no_json_stands_as_it_came() {
    let all = [
        begin(),
        start(
            0,
            json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}),
        ),
        delta(
            0,
            json!({"type": "input_json_delta", "partial_json": "{\"a\": [1, "}),
        ),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 2}}),
    ];
    assert_has(
        &reply(MESSAGES, &events(&all)),
        &json!({"choices": [{"calls": [["toolu_1", "tool_use", "f", "{\"a\": [1, "]], "finish": "max_tokens"}], "usage": {"prompt": 5, "completion": 2}}),
    );
}

#[test]
fn every_reason_to_stop_is_the_providers_word() {
    for reason in [
        "end_turn",
        "stop_sequence",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
        "a_reason_of_tomorrow",
    ] {
        let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": reason, "stop_sequence": null,
            "content": [{"type": "text", "text": "Yes"}], "usage": {"input_tokens": 1, "output_tokens": 2}});
        assert_has(
            &reply(MESSAGES, &whole(body)),
            &json!({"choices": [{"text": "Yes", "finish": reason}]}),
        );
    }
    let silent = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn", "content": [],
        "usage": {"input_tokens": 1, "output_tokens": 2}});
    assert_has(
        &reply(MESSAGES, &whole(silent)),
        &json!({"choices": [{"text": "", "finish": "end_turn"}]}),
    );
}

#[test]
fn every_block_of_a_request_has_its_place() {
    let asked = json!({"model": "claude", "max_tokens": 9, "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}], "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t", "citations": {"enabled": true}},
            {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "Eq"}, {"type": "text", "text": "b"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1, "b": 2}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [{"type": "text", "text": "c"},
            {"type": "image", "source": {"type": "url", "url": "https://a"}}]}, {"type": "text", "text": "d"}]},
        {"role": "system", "content": "e"}]});
    let found = prompt(MESSAGES, &asked);
    assert_has(
        &found,
        &json!({"model": "claude", "has_tools": true, "instructions": [{"role": "system", "text": "Be brief."}], "messages": [
            {"role": "user", "text": "a"}, {"role": "assistant", "text": "b", "reasoning": "hm", "calls": [["toolu_1", "tool_use", "f", "{\"a\":1,\"b\":2}"]]},
            {"role": "tool", "text": "c", "answers": "toolu_1", "other": {"is_error": true}}, {"role": "user", "text": "d"},
            {"role": "system", "text": "e"}]}),
    );
    assert!(!found.to_string().contains("AAAA"), "{found}");
    assert_has(
        &reply(
            VERTEX,
            &failed(
                429,
                json!([{"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}]),
            ),
        ),
        &json!({"error": {"message": "Quota exceeded", "code": "429", "type": "RESOURCE_EXHAUSTED"}}),
    );
}
