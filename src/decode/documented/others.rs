//! Cohere and Ollama.

use serde_json::{Value, json};

use super::{Answer, assert_has, events, prompt, reply, whole};

fn lines(documents: &[Value]) -> Answer {
    Answer {
        status: 200,
        content_type: "application/x-ndjson",
        body: documents
            .iter()
            .map(|document| format!("{document}\n"))
            .collect::<String>()
            .into(),
    }
}

#[test]
fn cohere_plans_thinks_cites_and_counts_twice() {
    let usage = json!({"billed_units": {"input_tokens": 3, "output_tokens": 4}, "tokens": {"input_tokens": 30.0, "output_tokens": 40}, "cached_tokens": 8});
    let all = [
        json!({"type": "message-start", "id": "i", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
        json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I look."}}}),
        json!({"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": ""}}}}}),
        json!({"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": "{\"a\":1}"}}}}}),
        json!({"type": "tool-call-end", "index": 0}),
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}}),
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "hm"}}}}),
        json!({"type": "content-end", "index": 0}),
        json!({"type": "content-start", "index": 1, "delta": {"message": {"content": {"type": "text", "text": ""}}}}),
        json!({"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": "Yes"}}}, "logprobs": {"token_ids": [1]}}),
        json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"start": 0, "end": 3, "text": "Yes", "sources": [], "type": "TEXT_CONTENT"}}}}),
        json!({"type": "citation-end", "index": 0}),
        json!({"type": "debug", "prompt": "p"}),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}}),
    ];
    assert_has(
        &reply("/v2/chat", &events(&all)),
        &json!({"id": "i", "usage": {"prompt": 30, "completion": 40, "cached": null}, "choices": [{"text": "Yes", "reasoning": "hm", "finish": "COMPLETE",
            "calls": [["f_1", "function", "f", "{\"a\":1}"]], "other": {"tool_plan": "I look.", "citations": [{"text": "Yes"}]}}]}),
    );
    let body = json!({"id": "i", "finish_reason": "TOOL_CALL", "usage": usage, "message": {"role": "assistant", "tool_plan": "I look.",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes"}], "citations": [{"text": "Yes"}],
        "tool_calls": [{"id": "f_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}});
    assert_has(
        &reply("/v2/chat", &whole(body)),
        &json!({"usage": {"prompt": 30, "cached": null}, "choices": [{"text": "Yes", "reasoning": "hm", "finish": "TOOL_CALL", "other": {"tool_plan": "I look."}}]}),
    );
    let broken = [
        json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Ye"}}}}),
        json!({"type": "message-end", "delta": {"error": "internal", "finish_reason": "ERROR"}}),
    ];
    assert_has(
        &reply("/v2/chat", &events(&broken)),
        &json!({"choices": [{"text": "Ye", "finish": "ERROR"}], "error": {"message": "internal"}}),
    );
}

#[test]
fn coheres_first_version_says_everything_again_in_the_end() {
    let all = [
        json!({"is_finished": false, "event_type": "stream-start", "generation_id": "g"}),
        json!({"is_finished": false, "event_type": "search-queries-generation", "search_queries": [{"text": "q"}]}),
        json!({"is_finished": false, "event_type": "text-generation", "text": "Ye"}),
        json!({"is_finished": false, "event_type": "text-generation", "text": "s"}),
        json!({"is_finished": false, "event_type": "citation-generation", "citations": [{"text": "Yes"}]}),
        json!({"is_finished": true, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"response_id": "r", "generation_id": "g", "text": "Yes",
            "chat_history": [{"role": "USER", "message": "hi"}], "citations": [{"text": "Yes"}], "finish_reason": "COMPLETE",
            "meta": {"api_version": {"version": "1"}, "billed_units": {"input_tokens": 1}, "tokens": {"input_tokens": 30, "output_tokens": 4}}}}),
    ];
    assert_has(
        &reply("/v1/chat", &lines(&all)),
        &json!({"id": "g", "streamed": true, "usage": {"prompt": 30, "completion": 4}, "choices": [{"text": "Yes", "finish": "COMPLETE", "other": {"citations": [{"text": "Yes"}]}}]}),
    );
}

#[test]
fn ollama_thinks_calls_and_may_fail_midway() {
    let piece = |message: Value| json!({"model": "m", "created_at": "x", "message": message, "done": false});
    let all = [
        piece(json!({"role": "assistant", "content": "", "thinking": "h"})),
        piece(json!({"role": "assistant", "content": "", "thinking": "m"})),
        piece(json!({"role": "assistant", "content": "Yes"})),
        piece(
            json!({"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}]}),
        ),
        json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done_reason": "stop", "done": true, "total_duration": 9, "prompt_eval_count": 3, "eval_count": 4}),
    ];
    assert_has(
        &reply("/api/chat", &lines(&all)),
        &json!({"model": "m", "streamed": true, "usage": {"prompt": 3, "completion": 4}, "choices": [{"text": "Yes", "reasoning": "hm", "finish": "stop",
            "calls": [["call_1", "function", "f", "{\"a\":1}"]]}]}),
    );
    let broken = [
        piece(json!({"role": "assistant", "content": "Ye"})),
        json!({"error": "llama runner process has terminated"}),
    ];
    assert_has(
        &reply("/api/chat", &lines(&broken)),
        &json!({"choices": [{"text": "Ye"}], "error": {"message": "llama runner process has terminated"}}),
    );
    let body = json!({"model": "m", "created_at": "x", "response": "Yes", "thinking": "hm", "done": true, "done_reason": "length", "context": [1, 2], "prompt_eval_count": 3, "eval_count": 4});
    assert_has(
        &reply("/api/generate", &whole(body)),
        &json!({"usage": {"prompt": 3}, "choices": [{"text": "Yes", "reasoning": "hm", "finish": "length"}]}),
    );
    let found = prompt(
        "/api/generate",
        &json!({"model": "m", "system": "s", "prompt": "p", "images": ["AAAA"], "stream": false}),
    );
    assert_has(
        &found,
        &json!({"instructions": [{"text": "s"}], "messages": [{"role": "user", "text": "p"}]}),
    );
    assert!(!found.to_string().contains("AAAA"), "{found}");
}
