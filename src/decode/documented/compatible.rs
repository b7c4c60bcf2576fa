//! What others make of OpenAI's chat completions.

use serde_json::{Value, json};

use super::{CHAT, assert_has, chunks, prompt, reply, whole};

fn delta(delta: Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

#[test]
fn deepseek_thinks_before_it_speaks_and_counts_its_cache() {
    let answer = chunks(&[
        delta(json!({"role": "assistant", "content": null, "reasoning_content": "Let me "})),
        delta(json!({"content": null, "reasoning_content": "see."})),
        delta(json!({"content": "Yes", "reasoning_content": null})),
        json!({"id": "c", "model": "m", "system_fingerprint": "fp", "choices": [
            {"index": 0, "delta": {"content": "", "reasoning_content": null}, "logprobs": null, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 15},
                "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "reasoning": "Let me see.", "finish": "stop"}],
            "usage": {"prompt": 10, "completion": 20, "total": 30, "cached": 4, "reasoning": 15}}),
    );
    let asked = json!({"messages": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "prefix": true, "reasoning_content": "r"}]});
    assert_has(
        &prompt(CHAT, &asked),
        &json!({"messages": [{"text": "a"}, {"text": "b", "reasoning": "r", "other": {"prefix": true}}]}),
    );
}

#[test]
fn groq_has_the_usage_of_a_stream_in_a_place_of_its_own() {
    let answer = chunks(&[
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}],
            "x_groq": {"id": "req_1", "seed": 1}}),
        delta(json!({"reasoning": "hm", "channel": "analysis"})),
        delta(
            json!({"executed_tools": [{"index": 0, "type": "search", "arguments": "{}", "output": "o"}]}),
        ),
        delta(json!({"content": "Yes"})),
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "x_groq": {"id": "req_1", "usage": {"queue_time": 0.1, "prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 1}}}}),
        json!({"id": "c", "choices": [], "usage_breakdown": {"models": [{"model": "a"}]}, "usage": null}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "reasoning": "hm", "finish": "stop", "other": {
                "executed_tools": [{"type": "search", "output": "o"}], "usage_breakdown": {"models": [{"model": "a"}]}}}],
            "usage": {"prompt": 7, "completion": 2, "total": 9, "reasoning": 1}}),
    );
}

#[test]
fn xai_cites_and_counts_its_sources() {
    let answer = whole(
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "grok-4",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes", "reasoning_content": "hm", "refusal": null},
            "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 20,
            "prompt_tokens_details": {"text_tokens": 7, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 11, "audio_tokens": 0}, "num_sources_used": 2},
        "system_fingerprint": "fp", "citations": ["https://a", "https://b"]}),
    );
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "reasoning": "hm", "other": {"citations": ["https://a", "https://b"]}}],
            "usage": {"total": 20, "cached": 3, "reasoning": 11}}),
    );
}

#[test]
fn openrouter_says_who_answered_and_what_was_thought_in_detail() {
    let mut answer = chunks(&[
        json!({"id": "gen-1", "provider": "Novita", "model": "m", "choices": [{"index": 0, "finish_reason": null,
            "native_finish_reason": null, "delta": {"role": "assistant", "content": "", "reasoning": "a",
                "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0, "format": null}]}}]}),
        json!({"id": "gen-1", "provider": "Novita", "model": "m", "choices": [{"index": 0, "finish_reason": null,
            "native_finish_reason": null, "delta": {"content": "Yes", "reasoning": "b",
                "reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 0, "format": null}]}}]}),
        json!({"id": "gen-1", "provider": "Novita", "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
            "native_finish_reason": "end_turn", "delta": {"content": "", "images": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}]}}]}),
        json!({"id": "gen-1", "provider": "Novita", "model": "m", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": null}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.1, "is_byok": false,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 5}}}),
    ]);
    answer.body = [b": OPENROUTER PROCESSING\n\n", &answer.body[..]].concat();
    let found = reply(CHAT, &answer);
    assert_has(
        &found,
        &json!({"provider": "Novita", "choices": [{"text": "Yes", "reasoning": "ab", "finish": "stop", "other": {
                "native_finish_reason": "end_turn", "reasoning_details": [{"type": "reasoning.text", "text": "ab"}]}}],
            "usage": {"prompt": 1, "cached": 0, "cache_write": 5}}),
    );
    assert!(!found.to_string().contains("AAAA"), "{found}");
}

#[test]
fn an_error_within_a_stream_keeps_what_had_arrived() {
    let answer = chunks(&[
        delta(json!({"content": "Ye"})),
        json!({"id": "c", "object": "chat.completion.chunk", "model": "m", "provider": "p",
            "error": {"code": "server_error", "message": "Provider disconnected"},
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Ye"}], "error": {"code": "server_error", "message": "Provider disconnected"}}),
    );
}

#[test]
fn perplexity_says_the_whole_message_with_every_chunk() {
    let chunk = |text: &str, so_far: &str, reason: Value| {
        json!({"id": "c", "model": "sonar", "object": "chat.completion.chunk", "created": 1,
            "citations": ["https://a"], "search_results": [{"title": "A", "url": "https://a", "date": null}],
            "images": [], "related_questions": ["why?"],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "search_context_size": "low",
                "citation_tokens": 9, "num_search_queries": 1, "reasoning_tokens": 6, "cost": {"total_cost": 0.1}},
            "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": so_far},
                "delta": {"role": "assistant", "content": text}}]})
    };
    let answer = chunks(&[
        chunk("Ye", "Ye", Value::Null),
        chunk("s", "Yes", Value::Null),
        chunk("", "Yes", json!("stop")),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "finish": "stop", "other": {"citations": ["https://a"],
                "search_results": [{"title": "A"}], "related_questions": ["why?"]}}],
            "usage": {"prompt": 1, "completion": 2, "total": 3, "reasoning": 6}}),
    );
}

#[test]
fn servers_of_open_models_say_more_and_less() {
    // vLLM.
    let answer = chunks(&[
        json!({"id": "chatcmpl-1", "model": "m", "prompt_token_ids": [1, 2], "choices": [{"index": 0,
            "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null, "token_ids": null}]}),
        delta(json!({"reasoning": "hm", "reasoning_content": "hm"})),
        json!({"id": "chatcmpl-1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Yes"},
            "logprobs": null, "finish_reason": "stop", "stop_reason": 128009, "token_ids": [7]}]}),
        json!({"id": "chatcmpl-1", "model": "m", "choices": [], "usage": {"prompt_tokens": 1, "total_tokens": 2, "completion_tokens": 1}}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "reasoning": "hm", "finish": "stop", "other": {"stop_reason": 128009, "token_ids": null}}],
            "usage": {"total": 2}}),
    );
    // llama.cpp.
    let answer = chunks(&[
        delta(json!({"role": "assistant", "content": null})),
        delta(json!({"content": "Yes"})),
        json!({"choices": [{"finish_reason": "stop", "index": 0, "delta": {}}], "id": "c", "model": "m",
            "usage": {"completion_tokens": 1, "prompt_tokens": 2, "total_tokens": 3},
            "timings": {"prompt_n": 1, "predicted_per_second": 50.5}}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "finish": "stop", "other": {"timings": {"prompt_n": 1}}}], "usage": {"prompt": 2}}),
    );
    // Cerebras, Fireworks, Together and Moonshot.
    for (more, expected) in [
        (
            json!({"time_info": {"queue_time": 0.1}}),
            json!({"time_info": {"queue_time": 0.1}}),
        ),
        (
            json!({"perf_metrics": {"a": "1"}}),
            json!({"perf_metrics": {"a": "1"}}),
        ),
        (
            json!({"prompt": [], "warnings": ["w"]}),
            json!({"warnings": ["w"]}),
        ),
        (
            json!({"nvext": {"timing": 1}}),
            json!({"nvext": {"timing": 1}}),
        ),
    ] {
        let mut body = json!({"id": "c", "model": "m", "choices": [{"index": 0, "text": null,
            "message": {"role": "assistant", "content": "Yes", "tool_calls": []}, "finish_reason": "eos", "seed": 18446744073709551615u64}]});
        body.as_object_mut()
            .expect("members")
            .extend(more.as_object().expect("members").clone());
        assert_has(
            &reply(CHAT, &whole(body)),
            &json!({"choices": [{"text": "Yes", "finish": "eos", "other": expected}]}),
        );
    }
    let answer = chunks(&[
        delta(json!({"content": "Yes"})),
        json!({"id": "c", "model": "kimi", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop",
            "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9, "cached_tokens": 8}}]}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes"}], "usage": {"prompt": 8, "completion": 1, "total": 9, "cached": 8}}),
    );
}

#[test]
fn qwen_counts_what_it_writes_into_its_cache() {
    let answer = chunks(&[
        delta(json!({"role": "assistant", "content": "", "reasoning_content": "hm"})),
        delta(json!({"content": "Yes", "reasoning_content": null})),
        json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
            "completion_tokens_details": {"reasoning_tokens": 3, "text_tokens": 1},
            "prompt_tokens_details": {"cached_tokens": 2, "cache_creation_input_tokens": 5, "cache_type": "ephemeral"}}}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "reasoning": "hm"}],
            "usage": {"cached": 2, "cache_write": 5, "reasoning": 3}}),
    );
}

#[test]
fn azure_filters_prompt_and_answer() {
    let answer = chunks(&[
        json!({"id": "", "model": "", "object": "", "created": 0, "choices": [], "prompt_filter_results": [
            {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": false, "severity": "safe"}}}]}),
        json!({"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Ye", "refusal": null},
            "content_filter_results": {}, "finish_reason": null}]}),
        json!({"id": "", "model": "", "object": "", "created": 0, "choices": [{"index": 0, "finish_reason": null, "delta": {},
            "content_filter_offsets": {"check_offset": 1, "start_offset": 1, "end_offset": 2},
            "content_filter_results": {"violence": {"filtered": false, "severity": "low"}}}]}),
        json!({"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter",
            "content_filter_results": {"violence": {"filtered": true, "severity": "high"}}}]}),
    ]);
    assert_has(
        &reply("/openai/deployments/gpt/chat/completions", &answer),
        &json!({"id": "c", "model": "gpt", "choices": [{"text": "Ye", "finish": "content_filter", "other": {
            "prompt_filter_results": [{"prompt_index": 0}],
            "content_filter_results": {"violence": {"filtered": true, "severity": "high"}}}}]}),
    );
}

#[test]
fn mistral_speaks_in_chunks_and_thinks_in_them() {
    let answer = whole(
        json!({"id": "c", "model": "magistral", "object": "chat.completion", "choices": [{"index": 0,
        "finish_reason": "stop", "message": {"role": "assistant", "tool_calls": null, "prefix": false, "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": true},
            {"type": "text", "text": "Yes"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "."}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "num_cached_tokens": null}}),
    );
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes.", "reasoning": "hm", "finish": "stop"}]}),
    );
    let answer = chunks(&[
        delta(
            json!({"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}),
        ),
        delta(
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]}),
        ),
        delta(json!({"content": "Yes"})),
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {"content": "",
            "tool_calls": [{"id": "D681PevKs", "function": {"name": "f", "arguments": "{\"a\": 1}"}, "index": 0},
                {"id": "D681PevKt", "function": {"name": "g", "arguments": {"b": 2}}, "index": 1}]}}]}),
    ]);
    assert_has(
        &reply(CHAT, &answer),
        &json!({"choices": [{"text": "Yes", "reasoning": "hm", "finish": "tool_calls", "calls": [
            ["D681PevKs", "function", "f", "{\"a\": 1}"], ["D681PevKt", "function", "g", "{\"b\":2}"]]}]}),
    );
}

#[test]
fn others_speak_like_openai_at_the_paths_of_cohere_and_ollama() {
    let answer = whole(
        json!({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}]}),
    );
    for path in ["/v1/chat", "/api/chat"] {
        assert_has(
            &reply(path, &answer),
            &json!({"choices": [{"text": "Yes", "finish": "stop"}]}),
        );
    }
    assert_has(
        &reply("/v1/chat", &chunks(&[delta(json!({"content": "Yes"}))])),
        &json!({"choices": [{"text": "Yes"}], "streamed": true}),
    );
}
