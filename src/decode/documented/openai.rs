//! OpenAI's own.

use serde_json::{Value, json};

use super::{CHAT, RESPONSES, assert_has, chunks, events, failed, prompt, reply, whole};

fn response(status: &str, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "background": false, "error": null,
        "incomplete_details": null, "instructions": "Be brief.", "max_output_tokens": null, "model": "gpt-5", "output": output,
        "parallel_tool_calls": true, "previous_response_id": null, "reasoning": {"effort": "low", "summary": null},
        "service_tier": "default", "store": true, "temperature": 1.0, "text": {"format": {"type": "text"}},
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled", "user": null, "metadata": {},
        "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 12}})
}

fn text(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
}

#[test]
fn every_item_of_a_response_has_its_place() {
    let output = json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAA", "status": null},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["q"], "results": null},
        {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1+1", "container_id": "c", "outputs": [{"type": "logs", "logs": "2"}]},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0K", "output_format": "png"},
        {"type": "computer_call", "id": "cu_1", "call_id": "call_c", "action": {"type": "click", "x": 1}, "pending_safety_checks": []},
        {"type": "local_shell_call", "id": "ls_1", "call_id": "call_l", "action": {"type": "exec", "command": ["ls"]}, "status": "completed"},
        {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "s", "tools": [{"name": "t", "input_schema": {}}]},
        {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "s", "name": "t", "arguments": "{}"},
        {"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "t", "arguments": "{}", "output": "o", "error": null},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}", "status": "completed"},
        {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_2", "name": "g", "input": "say hi"},
        {"type": "an_item_of_tomorrow", "id": "x_1", "words": "w"},
        text("Yes"),
    ]);
    let found = reply(RESPONSES, &whole(response("completed", output)));
    assert_has(
        &found,
        &json!({"id": "resp_1", "model": "gpt-5",
            "usage": {"prompt": 5, "completion": 7, "total": 12, "cached": 2, "reasoning": 3},
            "choices": [{"text": "Yes", "reasoning": "hm", "finish": "completed", "calls": [
                ["call_1", "function_call", "f", "{\"a\":1}"], ["call_2", "custom_tool_call", "g", "say hi"]]}]}),
    );
    let output = found["choices"][0]["other"]["output"]
        .as_array()
        .expect("items");
    let kinds: Vec<&str> = output
        .iter()
        .map(|item| item["type"].as_str().expect("a kind"))
        .collect();
    assert_eq!(kinds.len(), 14);
    assert_eq!(
        output[12],
        json!({"type": "an_item_of_tomorrow", "id": "x_1", "words": "w"})
    );
    assert_eq!(output[3]["outputs"][0]["logs"], "2");
    assert!(!found.to_string().contains("iVBORw0K"), "{found}");
    let other = found["choices"][0]["other"].as_object().expect("members");
    let keys: Vec<&String> = other.keys().collect();
    assert_eq!(keys, ["output", "service_tier"]);
}

#[test]
fn what_a_response_says_besides_its_request_is_kept() {
    let mut body = response("incomplete", json!([text("Ye")]));
    body["incomplete_details"] = json!({"reason": "max_output_tokens"});
    body["content_filters"] = json!([{"blocked": false, "source_type": "prompt"}]);
    body["cost"] = json!({"total": 0.1});
    assert_has(
        &reply(RESPONSES, &whole(body)),
        &json!({"choices": [{"text": "Ye", "finish": "incomplete", "other": {
            "incomplete_details": {"reason": "max_output_tokens"}, "content_filters": [{"blocked": false}], "cost": {"total": 0.1}}}]}),
    );
}

#[test]
fn a_stream_of_events_is_read_though_its_end_is_missing() {
    let begun = response("in_progress", json!([]));
    let all = [
        json!({"type": "response.created", "sequence_number": 0, "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
        json!({"type": "response.reasoning_summary_part.added", "item_id": "rs_1", "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
        json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "output_index": 0, "summary_index": 0, "delta": "hm", "obfuscation": "x"}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "id": "msg_1", "role": "assistant", "content": [], "status": "in_progress"}}),
        json!({"type": "response.content_part.added", "output_index": 1, "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Ye", "logprobs": []}),
        json!({"type": "response.thought_of_tomorrow.delta", "output_index": 1, "delta": "?"}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "s", "logprobs": []}),
        json!({"type": "response.output_text.annotation.added", "output_index": 1, "annotation_index": 0, "annotation": {"type": "url_citation", "url": "https://a"}}),
        json!({"type": "response.output_item.added", "output_index": 2, "item": {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_2", "name": "g", "input": ""}}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 2, "item_id": "ct_1", "delta": "say "}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 2, "item_id": "ct_1", "delta": "hi"}),
    ];
    assert_has(
        &reply(RESPONSES, &events(&all)),
        &json!({"id": "resp_1", "streamed": true, "choices": [{"text": "Yes", "reasoning": "hm",
            "calls": [["call_2", "custom_tool_call", "g", "say hi"]],
            "other": {"annotations": [{"url": "https://a"}], "unparsed_events": {"count": 1}}}]}),
    );
}

#[test]
fn a_response_that_fails_says_why() {
    let mut body = response("failed", json!([]));
    body["error"] = json!({"code": "server_error", "message": "An error occurred."});
    body["usage"] = Value::Null;
    let expected =
        json!({"error": {"code": "server_error", "message": "An error occurred."}, "choices": []});
    assert_has(&reply(RESPONSES, &whole(body.clone())), &expected);
    let stream = [
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.failed", "sequence_number": 1, "response": body}),
    ];
    assert_has(&reply(RESPONSES, &events(&stream)), &expected);
    let stream = [
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Ye"}),
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": null, "sequence_number": 2}),
    ];
    assert_has(
        &reply(RESPONSES, &events(&stream)),
        &json!({"error": {"code": "rate_limit_exceeded", "message": "Slow down."}, "choices": [{"text": "Ye"}]}),
    );
    let nested = [
        json!({"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down.", "param": null}}),
    ];
    assert_has(
        &reply(RESPONSES, &events(&nested)),
        &json!({"error": {"code": "rate_limit_exceeded", "message": "Slow down."}}),
    );
}

#[test]
fn a_request_of_responses_tells_everything_that_was_said() {
    let asked = json!({"model": "gpt-5", "instructions": "Be brief.", "stream": true, "store": false, "input": [
        {"role": "developer", "content": "In French."},
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
            {"type": "input_file", "filename": "f.pdf", "file_data": "data:application/pdf;base64,BBBB"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "4 °C"}]},
        {"type": "item_reference", "id": "msg_0"},
        "and then?"], "tools": [{"type": "web_search"}]});
    let found = prompt(RESPONSES, &asked);
    assert_has(
        &found,
        &json!({"model": "gpt-5", "stream": true, "has_tools": true,
            "instructions": [{"role": "system", "text": "Be brief."}, {"role": "developer", "text": "In French."}]}),
    );
    let said: Vec<_> = found["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| {
            (
                message["role"].as_str().expect("a role"),
                message["text"].as_str().expect("a text"),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("user", "a"),
            ("assistant", ""),
            ("tool", "4 °C"),
            ("assistant", ""),
            ("user", "and then?")
        ]
    );
    assert!(!found.to_string().contains("AAAA") && !found.to_string().contains("BBBB"));
}

#[test]
fn a_chat_may_refuse_cite_speak_and_call_tools_of_either_kind() {
    let delta = |delta: Value| json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let answer = chunks(&[
        delta(json!({"role": "assistant", "content": null, "refusal": "I can"})),
        delta(json!({"refusal": "not."})),
        delta(
            json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
        ),
        delta(
            json!({"tool_calls": [{"index": 1, "id": "call_2", "type": "custom", "custom": {"name": "g", "input": "say "}}]}),
        ),
        delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\":"}}]})),
        delta(
            json!({"tool_calls": [{"index": 1, "custom": {"input": "hi"}}, {"index": 0, "function": {"arguments": "1}"}}]}),
        ),
        delta(
            json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a"}}]}),
        ),
        delta(json!({"audio": {"id": "audio_1", "transcript": "Y"}})),
        delta(json!({"audio": {"transcript": "es", "data": "AAAA"}})),
    ]);
    let found = reply(CHAT, &answer);
    assert_has(
        &found,
        &json!({"choices": [{"refusal": "I cannot.", "calls": [["call_1", "function", "f", "{\"a\":1}"], ["call_2", "custom", "g", "say hi"]],
            "other": {"annotations": [{"type": "url_citation"}], "audio": {"id": "audio_1", "transcript": "Yes"}}}]}),
    );
    assert!(!found.to_string().contains("AAAA"), "{found}");
}

#[test]
fn a_character_that_two_events_share_is_whole() {
    let stream =
        br#"data: {"choices":[{"index":0,"delta":{"content":"a\ud83d","reasoning":"\ud83d"}}]}

data: {"choices":[{"index":0,"delta":{"content":"\ude00b\ud83d","reasoning":"\ude00"}}]}

"#;
    let mut answer = chunks(&[]);
    answer.body = stream.to_vec();
    let found = reply(CHAT, &answer);
    assert_has(
        &found,
        &json!({"choices": [{"text": "a😀b␛ED␛A0␛BD", "reasoning": "😀"}]}),
    );
}

#[test]
fn a_message_that_is_no_object_is_told_and_a_long_number_keeps_its_digits() {
    let asked: Value = json!({"model": "m", "messages": ["hi", null, 7, {"role": "user", "content": "there", "n": 1}]});
    assert_has(
        &prompt(CHAT, &asked),
        &json!({"messages": [{"role": "user", "text": "hi"}, {"role": "user", "other": {"content": 7}}, {"text": "there"}]}),
    );
    for path in [MESSAGES_PATHS[0], MESSAGES_PATHS[1]] {
        assert_has(
            &prompt(
                path,
                &json!({"messages": ["hi", {"role": "assistant", "content": ["there"]}]}),
            ),
            &json!({"messages": [{"role": "user", "text": "hi"}, {"role": "assistant", "text": "there"}]}),
        );
    }
    let body = br#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a","seed":123456789012345678901234567890,"list":[-9223372036854775809]}}]}"#;
    let mut answer = whole(Value::Null);
    answer.body = body.to_vec();
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"other": {"seed": "123456789012345678901234567890", "list": ["-9223372036854775809"]}}]}),
    );
}

/// Where else a message may be a string.
const MESSAGES_PATHS: [&str; 2] = ["/v1/messages", "/model/m/converse"];

#[test]
fn a_completion_of_a_text_has_a_choice_a_prompt() {
    let answer = chunks(&[
        json!({"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [{"text": "a", "index": 0, "logprobs": null, "finish_reason": null}]}),
        json!({"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [{"text": "b", "index": 1, "logprobs": null, "finish_reason": "length"}]}),
        json!({"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [{"text": "c", "index": 0, "logprobs": null, "finish_reason": "stop"}]}),
        json!({"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}),
    ]);
    assert_has(
        &reply("/v1/completions", &answer),
        &json!({"choices": [{"text": "ac", "finish": "stop"}, {"text": "b", "finish": "length"}], "usage": {"total": 3}}),
    );
    assert_has(
        &reply(
            "/v1/embeddings",
            &failed(
                400,
                json!({"error": {"message": "too long", "type": "invalid_request_error", "param": null, "code": null}}),
            ),
        ),
        &json!({"error": {"message": "too long", "type": "invalid_request_error", "code": null}}),
    );
}
