use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    decode::{
        Payload,
        amazon_events::tests::{event, message},
    },
    thread::digest,
};

const POLICY: Policy = Policy {
    max_decoded_bytes: 1 << 20,
    max_parsed_bytes: 256 << 20,
    max_raw_bytes: 0,
    keep_media: false,
};
const KEY: [u8; 32] = [7; 32];
const STREAM: &str = "application/vnd.amazon.eventstream";

fn exchange(path: &str, request: &[u8], response: &[u8], truncated: bool) -> crate::decode::Spoken {
    let request = Payload {
        segments: &[request],
        ..Payload::default()
    };
    let response = Payload {
        content_type: STREAM,
        segments: &[response],
        truncated,
        ..Payload::default()
    };
    crate::decode::exchange(path, request, Some((200, response)), &POLICY)
}

fn read(method: &str, response: &[u8], truncated: bool) -> Reply {
    let path = format!("/model/m.x%3A0/{method}");
    exchange(&path, b"", response, truncated).reply
}

fn answer() -> Value {
    json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"text": "Let me look."},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "get", "input": {"a": 1}}},
    ])
}

fn events() -> Vec<u8> {
    [
        event("messageStart", r#"{"p":"abc","role":"assistant"}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"s"}}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"Let me "}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"look."}}"#),
        event("contentBlockStart", r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"get"}}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\""}}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":":1}"}}}"#),
        event("messageStop", r#"{"stopReason":"tool_use"}"#),
        event("metadata", r#"{"metrics":{"latencyMs":1},"usage":{"inputTokens":3,"outputTokens":5,"totalTokens":8,"cacheReadInputTokens":2}}"#),
    ]
    .concat()
}

#[test]
fn a_stream_reads_as_the_whole_answer_does() {
    let whole = json!({"output": {"message": {"role": "assistant", "content": answer()}}, "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8, "cacheReadInputTokens": 2}});
    let whole =
        reply(&whole.to_string(), false, &POLICY).unwrap_or_else(|unread| panic!("{unread:?}"));
    let streamed = read("converse-stream", &events(), false);
    assert_eq!(streamed.choices, whole.value.choices);
    let (ours, theirs) = (&streamed.usage, &whole.value.usage);
    assert_eq!(
        (
            ours.prompt_tokens,
            ours.completion_tokens,
            ours.total_tokens,
            ours.cached_tokens
        ),
        (Some(3), Some(5), Some(8), Some(2))
    );
    assert_eq!(ours.cached_tokens, theirs.cached_tokens);
    assert!(streamed.streamed && !whole.value.streamed);
    let message = &streamed.choices[0].message;
    assert_eq!(message.tool_calls[0].arguments, r#"{"a":1}"#);
    assert_eq!(message.reasoning.as_deref(), Some("hm"));
}

#[test]
fn an_answer_that_is_sent_back_has_the_digest_of_the_answer() {
    let request = json!({"system": [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}],
    "toolConfig": {"tools": [{"toolSpec": {"name": "get"}}]},
    "messages": [
        {"role": "user", "content": [{"text": "hello"}, {"image": {"format": "png", "source": {"bytes": "aGVsbG8="}}}]},
        {"role": "assistant", "content": answer()},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "tooluse_1", "status": "success", "content": [{"json": {"b": 2}}]}},
            {"text": "go on"}]},
    ]});
    let spoken = exchange(
        "/model/m.x%3A0/converse-stream",
        request.to_string().as_bytes(),
        &events(),
        false,
    );
    let prompt = &spoken.prompt;
    assert_eq!(spoken.provider, Some("bedrock"));
    assert_eq!(
        (prompt.model.as_deref(), prompt.stream),
        (Some("m.x:0"), true)
    );
    assert_eq!(prompt.instructions[0].content, "Be kind.");
    assert_eq!(
        prompt.tools.as_deref(),
        Some(r#"[{"toolSpec":{"name":"get"}}]"#)
    );
    let sent = &prompt.messages;
    assert_eq!(
        digest(&KEY, &sent[1]),
        digest(&KEY, &spoken.reply.choices[0].message)
    );
    let roles: Vec<&str> = sent.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user"]);
    assert_eq!(
        (sent[2].content.as_str(), sent[2].tool_call_id.as_deref()),
        (r#"{"b":2}"#, Some("tooluse_1"))
    );
    let stub = sent[0].other["content"].to_string();
    assert!(stub.contains("data:image/png;bytes=5;sha256="), "{stub}");
}

#[test]
fn guarded_and_cited_text_is_text() {
    let request = json!({"messages": [{"role": "user", "content": [
        {"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}}, {"text": "b"}]},
        {"role": "assistant", "content": [{"citationsContent": {"content": [{"text": "c"}], "citations": [{"title": "t"}]}}]}]});
    let read = prompt(&request.to_string(), false).expect("a request");
    assert_eq!(read.value.messages[0].content, "a\nb");
    assert_eq!(read.value.messages[1].content, "c");
    assert_eq!(
        read.value.messages[1].clone().take_other()["blocks"][0]["citations"][0]["title"],
        "t"
    );
}

#[test]
fn an_exception_within_a_stream_keeps_what_had_arrived() {
    let begun = event(
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"half"}}"#,
    );
    let exception = message(
        &[
            (":exception-type", "throttlingException"),
            (":message-type", "exception"),
        ],
        br#"{"message":"slow down"}"#,
    );
    let error = message(
        &[
            (":error-code", "InternalFailure"),
            (":error-message", "oh"),
            (":message-type", "error"),
        ],
        b"",
    );
    for (failure, code, text) in [
        (exception, "throttlingException", "slow down"),
        (error, "InternalFailure", "oh"),
    ] {
        let reply = read("converse-stream", &[begun.clone(), failure].concat(), false);
        let error = reply.error.expect("an error");
        assert_eq!(
            (error.code.as_deref(), error.message.as_str()),
            (Some(code), text)
        );
        assert_eq!(reply.choices[0].message.content, "half");
    }
}

#[test]
fn a_damaged_message_is_counted_and_passed_over() {
    let mut body = events();
    let text = memchr::memmem::find(&body, b"look.").expect("the text");
    body[text] ^= 1;
    let reply = read("converse-stream", &body, false);
    let message = &reply.choices[0].message;
    assert_eq!(message.content, "Let me ");
    assert_eq!(message.other["unparsed_events"]["count"], 1);
}

fn chunks(documents: &[Value]) -> Vec<u8> {
    let chunk = |document: &Value| {
        let bytes = STANDARD.encode(document.to_string());
        event("chunk", &json!({"bytes": bytes, "p": "abc"}).to_string())
    };
    documents.iter().flat_map(chunk).collect()
}

#[test]
fn streams_of_every_model_are_read_in_its_dialect() {
    let anthropic = [
        json!({"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "model": "m"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}),
    ];
    let nova = [
        json!({"messageStart": {"role": "assistant"}}),
        json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "hello"}}}),
        json!({"messageStop": {"stopReason": "end_turn"}}),
    ];
    let chat = [
        json!({"choices": [{"index": 0, "delta": {"content": "hel"}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "lo"}}]}),
    ];
    let llama = [
        json!({"generation": "hel", "prompt_token_count": 4, "generation_token_count": 1, "stop_reason": null}),
        json!({"generation": "lo", "generation_token_count": 2, "stop_reason": "stop"}),
    ];
    let titan = [
        json!({"outputText": "hello", "index": 0, "completionReason": "FINISH", "inputTextTokenCount": 4}),
    ];
    for documents in [&anthropic[..], &nova, &chat, &llama, &titan] {
        let reply = read("invoke-with-response-stream", &chunks(documents), false);
        assert_eq!(reply.choices[0].message.content, "hello", "{documents:?}");
        assert!(reply.streamed);
    }
    let reply = read("invoke-with-response-stream", &chunks(&llama), false);
    assert_eq!(
        (reply.usage.prompt_tokens, reply.usage.completion_tokens),
        (Some(4), Some(2))
    );
    assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("stop"));
}

#[test]
fn requests_and_responses_of_every_model_are_read_in_its_dialect() {
    let requests = [
        json!({"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
        json!({"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
        json!({"messages": [{"role": "user", "content": "hi"}]}),
        json!({"prompt": "hi"}),
        json!({"inputText": "hi"}),
    ];
    for request in requests {
        let read = invoked_prompt(&request.to_string(), false).expect("a request");
        assert_eq!(read.value.messages[0].content, "hi", "{request}");
    }
    assert!(invoked_prompt(r#"{"words":["hi"]}"#, false).is_none());
    let responses = [
        json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hello"}]}),
        json!({"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn"}),
        json!({"choices": [{"index": 0, "message": {"content": "hello"}}]}),
        json!({"inputTextTokenCount": 1, "results": [{"outputText": "hello", "tokenCount": 2, "completionReason": "FINISH"}]}),
        json!({"generation": "hello", "stop_reason": "stop"}),
        json!({"outputs": [{"text": "hello", "stop_reason": "stop"}]}),
        json!({"completion": "hello", "stop_reason": "stop_sequence"}),
    ];
    for response in responses {
        let read = invoked_reply(&response.to_string(), false, &POLICY)
            .unwrap_or_else(|unread| panic!("{unread:?} {response}"));
        assert_eq!(read.value.choices[0].message.content, "hello", "{response}");
    }
    let picture = invoked_reply(r#"{"images":["AAAA"]}"#, false, &POLICY);
    assert_eq!(picture.err(), Some(Unread::Unknown));
}

#[test]
fn errors_are_named_by_the_header_the_body_or_the_status() {
    let named = |error_type, body: &[u8]| {
        let response = Payload {
            content_type: "application/json",
            error_type,
            segments: &[body],
            ..Payload::default()
        };
        let response = Some((400, response));
        let path = "/model/m/invoke";
        let spoken = crate::decode::exchange(path, Payload::default(), response, &POLICY);
        spoken.reply.error.expect("an error").code.expect("a code")
    };
    let body = br#"{"message":"no"}"#;
    assert_eq!(
        named("ValidationException:http://x/", body),
        "ValidationException"
    );
    assert_eq!(named("", body), "400");
    let typed = br#"{"__type":"com.amazon#AccessDeniedException","Message":"no"}"#;
    assert_eq!(named("", typed), "AccessDeniedException");
}

#[test]
fn a_long_stream_of_small_deltas_is_read_whole() {
    let delta = event(
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"x"}}"#,
    );
    let body = delta.repeat(100_000);
    let response = Payload {
        content_type: STREAM,
        segments: &[&body],
        ..Payload::default()
    };
    let policy = Policy {
        max_decoded_bytes: 64 << 20,
        ..POLICY
    };
    let path = "/model/m/converse-stream";
    let spoken = crate::decode::exchange(path, Payload::default(), Some((200, response)), &policy);
    assert_eq!(spoken.reply.choices[0].message.content.len(), 100_000);
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_keeps_what_came_before(at: prop::sample::Index) {
        let whole = events();
        let reply = read("converse-stream", &whole[..at.index(whole.len())], true);
        if let Some(choice) = reply.choices.first()
            && !choice.message.other.contains_key("raw")
        {
            prop_assert!("Let me look.".starts_with(&choice.message.content), "{}", choice.message.content);
        }
    }

    #[test]
    fn arbitrary_chunks_never_panic(
        kinds in prop::collection::vec("(chunk|messageStart|contentBlockDelta|contentBlockStart|metadata|x)", 0..5),
        payload in "\\{?\"(bytes|delta|start|usage|role|contentBlockIndex)\":(1|\"e30=\"|\"eyJ0eXBlIjoxfQ==\"|\\{\"(text|toolUse|reasoningContent)\":(1|\"x\"|\\{\"(input|text)\":(1|\"x\"|\\{\\})\\})\\})\\}?",
        flip in 0usize..400,
    ) {
        let mut body: Vec<u8> = kinds.iter().flat_map(|kind| event(kind, &payload)).collect();
        if let Some(byte) = body.get_mut(flip) {
            *byte ^= 4;
        }
        for method in ["converse-stream", "invoke-with-response-stream"] {
            let _ = read(method, &body, true);
        }
        let _ = prompt(&payload, false);
        let _ = invoked_prompt(&payload, false);
        let _ = invoked_reply(&payload, true, &POLICY);
    }
}
