//! Shapes of which the goals speak: a stream, and a long history.

use serde_json::{Value, json};

use super::Sample;

/// Pieces of a streamed answer.
const PIECES: usize = 500;
/// Turns of a history of about 100 KB.
const TURNS: usize = 160;

pub fn samples() -> Vec<Sample> {
    let chat = |content: &str, finish: Value| {
        json!({"id": "chatcmpl-C9Xk3mPZ", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": "gpt-5-2025",
            "service_tier": "default", "system_fingerprint": "fp_1", "choices": [{"index": 0, "delta": {"content": content},
                "logprobs": null, "finish_reason": finish}], "usage": null, "obfuscation": "abcdef"})
    };
    let block = |text: &str, _: Value| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let item = |text: &str, _: Value| {
        json!({"type": "response.output_text.delta", "sequence_number": 9, "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": text, "logprobs": [], "obfuscation": "abcdef"})
    };
    vec![
        streamed("openai-chat stream", "/v1/chat/completions", chat),
        streamed("anthropic stream", "/v1/messages", block),
        streamed("openai-responses stream", "/v1/responses", item),
        history(),
    ]
}

fn streamed(dialect: &str, path: &str, event: impl Fn(&str, Value) -> Value) -> Sample {
    let request = question(1);
    let mut documents: Vec<Vec<u8>> = (0..PIECES)
        .map(|number| {
            event(&format!(" word{number}"), Value::Null)
                .to_string()
                .into()
        })
        .collect();
    let mut response = Vec::new();
    for document in &documents {
        response.extend_from_slice(b"data: ");
        response.extend_from_slice(document);
        response.extend_from_slice(b"\n\n");
    }
    documents.push(request.clone());
    Sample {
        dialect: dialect.to_owned(),
        path: path.to_owned(),
        status: 200,
        request,
        response,
        content_type: "text/event-stream".to_owned(),
        documents,
    }
}

/// A request of 100 KB with all that was said.
fn history() -> Sample {
    let request = question(TURNS);
    let response = json!({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}]});
    let response: Vec<u8> = response.to_string().into();
    Sample {
        dialect: "openai-chat history".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        status: 200,
        documents: vec![request.clone(), response.clone()],
        request,
        response,
        content_type: "application/json".to_owned(),
    }
}

fn question(turns: usize) -> Vec<u8> {
    let words = "The quick brown fox jumps over the lazy dog, and \"says\" so. ".repeat(9);
    let said = |turn: usize| {
        let role = if turn.is_multiple_of(2) {
            "user"
        } else {
            "assistant"
        };
        json!({"role": role, "content": format!("{turn} {words}")})
    };
    let messages: Value = (0..turns).map(said).collect();
    json!({"model": "gpt-5", "messages": messages, "stream": true})
        .to_string()
        .into()
}
