//! The demo model's answers as OpenAI writes them, at once or in a stream.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::header;
use serde_json::{Value, json};

use super::{MODEL, answer::Answer};

/// How many characters a frame of the stream holds, and how long the model takes for them.
const FRAME_CHARS: usize = 4;
const FRAME_PAUSE: Duration = Duration::from_millis(10);

/// Everything that is answered to one request.
pub(super) struct Reply {
    pub(super) prompt_tokens: usize,
    pub(super) answers: Vec<Answer>,
}

impl Reply {
    pub(super) fn into_json(self) -> Value {
        let choices: Vec<Value> = self
            .answers
            .iter()
            .enumerate()
            .map(|(index, answer)| {
                let message = match answer {
                    Answer::Text(text) => json!({ "role": "assistant", "content": text }),
                    Answer::ToolCall { name, arguments } => json!({
                        "role": "assistant",
                        "content": null,
                        "tool_calls": [{
                            "id": call_id(),
                            "type": "function",
                            "function": { "name": name, "arguments": arguments },
                        }],
                    }),
                };
                let finish_reason = finish_reason(answer);
                json!({ "index": index, "message": message, "finish_reason": finish_reason, "logprobs": null })
            })
            .collect();
        let usage = self.usage();
        let mut reply = head("chat.completion");
        reply["choices"] = choices.into();
        reply["usage"] = usage;
        reply
    }

    /// The reply as server-sent events, a few characters at a time.
    pub(super) fn into_events(self, include_usage: bool) -> Response {
        let frames = self.frames(include_usage).into_iter();
        let body = stream::unfold((frames, true), async |(mut frames, first)| {
            let frame = frames.next()?;
            if !first {
                tokio::time::sleep(FRAME_PAUSE).await;
            }
            Some((Ok::<_, Infallible>(Bytes::from(frame)), (frames, false)))
        });
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, Body::from_stream(body)).into_response()
    }

    fn frames(&self, include_usage: bool) -> Vec<String> {
        let head = head("chat.completion.chunk");
        let frame = |choices: Value, usage: Value| {
            let mut chunk = head.clone();
            chunk["choices"] = choices;
            if include_usage {
                chunk["usage"] = usage;
            }
            format!("data: {chunk}\n\n")
        };
        let mut frames = Vec::new();
        for (index, answer) in self.answers.iter().enumerate() {
            let finish_reason = finish_reason(answer);
            for delta in deltas(answer) {
                let choice = json!([{ "index": index, "delta": delta, "finish_reason": null }]);
                frames.push(frame(choice, Value::Null));
            }
            let end = json!([{ "index": index, "delta": {}, "finish_reason": finish_reason }]);
            frames.push(frame(end, Value::Null));
        }
        if include_usage {
            frames.push(frame(json!([]), self.usage()));
        }
        frames.push("data: [DONE]\n\n".to_owned());
        frames
    }

    fn usage(&self) -> Value {
        let completion_tokens: usize = self.answers.iter().map(Answer::tokens).sum();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        })
    }
}

/// What every chunk of a reply begins with.
fn head(object: &str) -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    json!({
        "id": format!("chatcmpl-{:032x}", rand::random::<u128>()),
        "object": object,
        "created": since.map_or(0, |since| since.as_secs()),
        "model": MODEL,
    })
}

fn deltas(answer: &Answer) -> Vec<Value> {
    match answer {
        Answer::Text(text) => {
            let first = json!({ "role": "assistant", "content": "" });
            let rest = pieces(text)
                .into_iter()
                .map(|piece| json!({ "content": piece }));
            [first].into_iter().chain(rest).collect()
        }
        Answer::ToolCall { name, arguments } => {
            let function = json!({ "name": name, "arguments": "" });
            let call =
                json!({ "index": 0, "id": call_id(), "type": "function", "function": function });
            let first = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
            let rest = pieces(arguments).into_iter().map(|piece| {
                json!({ "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] })
            });
            [first].into_iter().chain(rest).collect()
        }
    }
}

fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(FRAME_CHARS)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer {
        Answer::Text(_) => "stop",
        Answer::ToolCall { .. } => "tool_calls",
    }
}

fn call_id() -> String {
    format!("call_{:016x}", rand::random::<u64>())
}
