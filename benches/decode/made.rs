//! Shapes of which the goals speak: a stream, and a long history.

use serde_json::{Value, json};

use super::{Kind, Sample};

/// Pieces of a streamed answer.
const PIECES: usize = 500;
/// Turns of a history of about 100 KB.
const TURNS: usize = 160;

pub fn samples() -> Vec<Sample> {
    let chat = |text: &str| {
        format!(
            r#"{{"id":"chatcmpl-C9Xk3mPZ","object":"chat.completion.chunk","created":1750000000,"model":"gpt-5-2025","service_tier":"default","system_fingerprint":"fp_1","choices":[{{"index":0,"delta":{{"content":"{text}"}},"logprobs":null,"finish_reason":null}}],"usage":null,"obfuscation":"abcdef"}}"#
        )
    };
    let block = |text: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
        )
    };
    let item = |text: &str| {
        format!(
            r#"{{"type":"response.output_text.delta","sequence_number":9,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"{text}","logprobs":[],"obfuscation":"abcdef"}}"#
        )
    };
    vec![
        streamed("openai-chat, made", "/v1/chat/completions", "", chat),
        streamed(
            "anthropic-messages, made",
            "/v1/messages",
            "event: content_block_delta\n",
            block,
        ),
        streamed(
            "openai-responses, made without its end",
            "/v1/responses",
            "event: response.output_text.delta\n",
            item,
        ),
        history(),
    ]
}

fn streamed(dialect: &str, path: &str, name: &str, event: impl Fn(&str) -> String) -> Sample {
    let documents: Vec<String> = (0..PIECES)
        .map(|number| event(&format!(" word{number}")))
        .collect();
    let events = documents
        .iter()
        .map(|document| format!("{name}data: {document}\n\n"));
    Sample {
        dialect: dialect.to_owned(),
        kind: Kind::Stream,
        path: path.to_owned(),
        status: 200,
        bytes: events.collect::<String>().into_bytes(),
        content_type: "text/event-stream".to_owned(),
        documents: documents.into_iter().map(String::into_bytes).collect(),
    }
}

/// A request of 100 KB with all that was said.
fn history() -> Sample {
    let words = "The quick brown fox jumps over the lazy dog, and \"says\" so. ".repeat(9);
    let said = |turn: usize| {
        let role = if turn.is_multiple_of(2) {
            "user"
        } else {
            "assistant"
        };
        json!({"role": role, "content": format!("{turn} {words}")})
    };
    let messages: Value = (0..TURNS).map(said).collect();
    let request = json!({"model": "gpt-5", "messages": messages, "stream": true});
    let request: Vec<u8> = request.to_string().into();
    Sample {
        dialect: "openai-chat, made history".to_owned(),
        kind: Kind::Request,
        path: "/v1/chat/completions".to_owned(),
        status: 200,
        documents: vec![request.clone()],
        bytes: request,
        content_type: "application/json".to_owned(),
    }
}
