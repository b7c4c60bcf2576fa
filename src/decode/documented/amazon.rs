//! Amazon Bedrock: Converse, and what the models behind InvokeModel speak.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Answer, assert_has, failed, prompt, reply, whole};
use crate::decode::amazon_events::tests::{event, message};

const CONVERSE: &str = "/model/us.amazon.nova-lite-v1%3A0/converse";
const CONVERSE_STREAM: &str = "/model/us.amazon.nova-lite-v1%3A0/converse-stream";
const INVOKE: &str = "/model/m.x-v1%3A0/invoke";
const INVOKE_STREAM: &str = "/model/m.x-v1%3A0/invoke-with-response-stream";

fn messages(messages: &[Vec<u8>]) -> Answer {
    Answer {
        status: 200,
        content_type: "application/vnd.amazon.eventstream",
        body: messages.concat(),
    }
}

fn documents(documents: &[Value]) -> Answer {
    let chunk = |document: &Value| {
        let bytes = STANDARD.encode(document.to_string());
        event("chunk", &json!({"bytes": bytes, "p": "abc"}).to_string())
    };
    messages(&documents.iter().map(chunk).collect::<Vec<_>>())
}

#[test]
fn every_block_of_an_answer_has_its_place() {
    let body = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, {"reasoningContent": {"redactedContent": "AAEC"}},
        {"text": "Yes"}, {"citationsContent": {"content": [{"text": "."}], "citations": [{"title": "T", "location": {"documentChar": {"start": 1}}}]}},
        {"image": {"format": "png", "source": {"bytes": "iVBORw0K"}}},
        {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}, {"blockOfTomorrow": {"words": "w"}}]}},
        "stopReason": "tool_use", "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "cacheReadInputTokens": 1, "cacheWriteInputTokens": 2},
        "metrics": {"latencyMs": 9}, "trace": {"guardrail": {"modelOutput": ["o"]}}, "performanceConfig": {"latency": "standard"},
        "additionalModelResponseFields": {"stop_sequence": "x"}});
    let found = reply(CONVERSE, &whole(body));
    assert_has(
        &found,
        &json!({"usage": {"prompt": 3, "completion": 4, "total": 7, "cached": 1, "cache_write": 2}, "choices": [{"text": "Yes.", "reasoning": "hm",
            "finish": "tool_use", "calls": [["t1", "toolUse", "f", "{\"a\":1}"]], "other": {
                "trace": {"guardrail": {"modelOutput": ["o"]}}, "additionalModelResponseFields": {"stop_sequence": "x"}}}]}),
    );
    let blocks = found["choices"][0]["other"]["blocks"].to_string();
    for word in ["AAEC", "documentChar", "blockOfTomorrow"] {
        assert!(blocks.contains(word), "{word} in {blocks}");
    }
    assert!(!found.to_string().contains("iVBORw0K"), "{found}");
}

#[test]
fn a_stream_may_break_off_with_an_exception() {
    for (name, text) in [
        ("throttlingException", "Slow down."),
        ("modelStreamErrorException", "Broken."),
        ("internalServerException", "Oh."),
    ] {
        let failure = json!({"message": text, "originalStatusCode": 424}).to_string();
        let answer = messages(&[
            event("messageStart", r#"{"role":"assistant"}"#),
            event(
                "contentBlockDelta",
                r#"{"contentBlockIndex":0,"delta":{"text":"Ye"}}"#,
            ),
            message(
                &[
                    (":exception-type", name),
                    (":content-type", "application/json"),
                    (":message-type", "exception"),
                ],
                failure.as_bytes(),
            ),
        ]);
        assert_has(
            &reply(CONVERSE_STREAM, &answer),
            &json!({"streamed": true, "choices": [{"text": "Ye"}], "error": {"message": text, "code": name, "other": {"originalStatusCode": 424}}}),
        );
    }
}

#[test]
fn a_stream_ends_with_its_usage_and_the_trace_of_its_guards() {
    let answer = messages(&[
        event("messageStart", r#"{"role":"assistant"}"#),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
        ),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"redactedContent":"AAEC"}}}"#,
        ),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"text":"Yes"}}"#,
        ),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"citation":{"title":"T"}}}"#,
        ),
        event("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        event("eventOfTomorrow", r#"{"words":"w"}"#),
        event(
            "messageStop",
            r#"{"stopReason":"guardrail_intervened","additionalModelResponseFields":{"a":1}}"#,
        ),
        event(
            "metadata",
            r#"{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"metrics":{"latencyMs":1},"trace":{"guardrail":{"inputAssessment":{}}}}"#,
        ),
    ]);
    assert_has(
        &reply(CONVERSE_STREAM, &answer),
        &json!({"usage": {"total": 7}, "choices": [{"text": "Yes", "reasoning": "hm", "finish": "guardrail_intervened", "other": {
            "trace": {"guardrail": {"inputAssessment": {}}}, "additionalModelResponseFields": {"a": 1}, "unparsed_events": {"count": 1}}}]}),
    );
}

#[test]
fn every_model_behind_invoke_is_asked_in_its_own_words() {
    for (asked, said) in [
        (
            json!({"inputText": "hi", "textGenerationConfig": {"maxTokenCount": 9}}),
            json!(["hi"]),
        ),
        (json!({"prompt": "hi", "max_gen_len": 9}), json!(["hi"])),
        (
            json!({"prompt": "<s>[INST] hi [/INST]", "max_tokens": 9}),
            json!(["<s>[INST] hi [/INST]"]),
        ),
        (
            json!({"message": "hi", "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}]}),
            json!(["a", "b", "hi"]),
        ),
        (
            json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}),
            json!(["hi"]),
        ),
        (
            json!({"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "hi"}]}], "system": [{"text": "s"}]}),
            json!(["hi"]),
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 9}}),
            json!(["hi"]),
        ),
        (
            json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
            json!(["hi"]),
        ),
        (
            json!({"prompt": "\n\nHuman: hi\n\nAssistant:", "max_tokens_to_sample": 9}),
            json!(["\n\nHuman: hi\n\nAssistant:"]),
        ),
        (
            json!({"texts": ["a", "b"], "input_type": "search_query"}),
            json!(["a", "b"]),
        ),
    ] {
        let found = prompt(INVOKE, &asked);
        let texts: Value = found["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .map(|message| message["text"].clone())
            .collect();
        assert_eq!(texts, said, "{asked}");
        assert_eq!(found["model"], "m.x-v1:0");
    }
}

#[test]
fn every_model_behind_invoke_answers_in_its_own_words() {
    for (body, finish, usage) in [
        (
            json!({"inputTextTokenCount": 3, "results": [{"tokenCount": 4, "outputText": "Yes", "completionReason": "FINISH"}]}),
            "FINISH",
            json!({"prompt": 3, "completion": 4}),
        ),
        (
            json!({"generation": "Yes", "prompt_token_count": 3, "generation_token_count": 4, "stop_reason": "length"}),
            "length",
            json!({"prompt": 3, "completion": 4}),
        ),
        (
            json!({"outputs": [{"text": "Yes", "stop_reason": "stop"}]}),
            "stop",
            json!({}),
        ),
        (
            json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "stop_reason": "stop"}]}),
            "stop",
            json!({}),
        ),
        (
            json!({"choices": [{"text": "Yes", "stop_reason": "length"}]}),
            "length",
            json!({}),
        ),
        (
            json!({"response_id": "r", "text": "Yes", "generation_id": "g", "finish_reason": "COMPLETE", "chat_history": []}),
            "COMPLETE",
            json!({}),
        ),
        (
            json!({"id": "g", "generations": [{"id": "x", "text": "Yes", "finish_reason": "COMPLETE"}], "prompt": "p"}),
            "COMPLETE",
            json!({}),
        ),
        (
            json!({"id": 1, "completions": [{"data": {"text": "Yes"}, "finishReason": {"reason": "endoftext"}}]}),
            "endoftext",
            json!({}),
        ),
        (
            json!({"output": {"message": {"content": [{"text": "Yes"}], "role": "assistant"}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "cacheReadInputTokenCount": 1}}),
            "end_turn",
            json!({"prompt": 3, "completion": 4, "total": 7, "cached": 1}),
        ),
        (
            json!({"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Yes"}], "model": "claude",
            "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 4}}),
            "end_turn",
            json!({"prompt": 3, "completion": 4}),
        ),
        (
            json!({"completion": "Yes", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"}),
            "stop_sequence",
            json!({}),
        ),
        (
            json!({"id": "c", "model": "openai.gpt-oss", "object": "chat.completion", "choices": [{"finish_reason": "stop", "index": 0,
            "message": {"content": "Yes", "role": "assistant"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}),
            "stop",
            json!({"total": 7}),
        ),
    ] {
        assert_has(
            &reply(INVOKE, &whole(body)),
            &json!({"choices": [{"role": "assistant", "text": "Yes", "finish": finish}], "usage": usage, "streamed": false}),
        );
    }
    for vectors in [
        json!({"embedding": [0.25, 1], "inputTextTokenCount": 3, "embeddingsByType": {"float": [0.25, 1]}}),
        json!({"embeddings": [[0.25, 1]], "id": "i", "response_type": "embeddings_floats", "texts": ["a"]}),
    ] {
        let found = reply(INVOKE, &whole(vectors));
        assert_has(
            &found,
            &json!({"choices": [{"other": {"embeddings": {"count": 1, "dimensions": 2}}}]}),
        );
        assert!(!found.to_string().contains("0.25"), "{found}");
    }
}

#[test]
fn every_model_behind_invoke_streams_in_its_own_words() {
    let metrics = json!({"inputTokenCount": 3, "outputTokenCount": 4, "invocationLatency": 9, "firstByteLatency": 1});
    for (pieces, finish) in [
        (
            vec![
                json!({"outputText": "Ye", "index": 0, "totalOutputTextTokenCount": null, "completionReason": null, "inputTextTokenCount": 3}),
                json!({"outputText": "s", "index": 0, "totalOutputTextTokenCount": 4, "completionReason": "FINISH", "inputTextTokenCount": null,
                "amazon-bedrock-invocationMetrics": metrics}),
            ],
            "FINISH",
        ),
        (
            vec![
                json!({"generation": "Ye", "prompt_token_count": 3, "generation_token_count": 1, "stop_reason": null}),
                json!({"generation": "s", "prompt_token_count": null, "generation_token_count": 4, "stop_reason": "stop"}),
            ],
            "stop",
        ),
        (
            vec![
                json!({"outputs": [{"text": "Ye", "stop_reason": null}]}),
                json!({"outputs": [{"text": "s", "stop_reason": "stop"}]}),
            ],
            "stop",
        ),
        (
            vec![
                json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Ye"}, "stop_reason": null}]}),
                json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "s"}, "stop_reason": "stop"}]}),
            ],
            "stop",
        ),
        (
            vec![
                json!({"is_finished": false, "event_type": "text-generation", "text": "Ye"}),
                json!({"is_finished": false, "event_type": "text-generation", "text": "s"}),
                json!({"is_finished": true, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"response_id": "r", "text": "Yes",
                "generation_id": "g", "finish_reason": "COMPLETE"}}),
            ],
            "COMPLETE",
        ),
        (
            vec![
                json!({"messageStart": {"role": "assistant"}}),
                json!({"contentBlockDelta": {"delta": {"text": "Yes"}, "contentBlockIndex": 0}}),
                json!({"messageStop": {"stopReason": "end_turn"}}),
                json!({"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4}}}),
            ],
            "end_turn",
        ),
        (
            vec![
                json!({"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes"}}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
                json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}),
            ],
            "end_turn",
        ),
        (
            vec![
                json!({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Ye"}}]}),
                json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "s"}, "finish_reason": "stop"}]}),
            ],
            "stop",
        ),
    ] {
        assert_has(
            &reply(INVOKE_STREAM, &documents(&pieces)),
            &json!({"choices": [{"role": "assistant", "text": "Yes", "finish": finish}], "streamed": true}),
        );
    }
    assert_has(
        &reply(
            INVOKE,
            &failed(
                424,
                json!({"message": "Broken.", "originalStatusCode": 400, "resourceName": "r"}),
            ),
        ),
        &json!({"error": {"message": "Broken.", "code": "424", "other": {"resourceName": "r"}}}),
    );
}
