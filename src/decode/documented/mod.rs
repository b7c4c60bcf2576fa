//! Shapes that providers document, beside what is to be read of them.

mod amazon;
mod anthropic;
mod compatible;
mod errors;
mod google;
mod openai;
mod others;

use serde_json::{Value, json};

use super::{Payload, Policy, Spoken, exchange};
use crate::conversation::{Message, Reply};

const POLICY: Policy = Policy {
    max_decoded_bytes: 1 << 20,
    max_parsed_bytes: 256 << 20,
    max_raw_bytes: 1 << 10,
    keep_media: false,
};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

/// A response with this status and content type.
struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

fn whole(body: Value) -> Answer {
    failed(200, body)
}

fn failed(status: u16, body: Value) -> Answer {
    Answer {
        status,
        content_type: "application/json",
        body: body.to_string().into(),
    }
}

/// Events without names, and the end that OpenAI's streams have.
fn chunks(chunks: &[Value]) -> Answer {
    let events = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    Answer {
        status: 200,
        content_type: "text/event-stream",
        body: format!("{}data: [DONE]\n\n", events.collect::<String>()).into(),
    }
}

/// Events that are named by their `type`.
fn events(events: &[Value]) -> Answer {
    let events = events.iter().map(|event| {
        let name = event["type"].as_str().expect("a type");
        format!("event: {name}\ndata: {event}\n\n")
    });
    Answer {
        status: 200,
        content_type: "text/event-stream",
        body: events.collect::<String>().into(),
    }
}

fn heard(path: &str, request: &Value, answer: &Answer) -> Spoken {
    let request = request.to_string();
    let (request, response) = ([request.as_bytes()], [&answer.body[..]]);
    let request = Payload {
        content_type: "application/json",
        segments: &request,
        ..Payload::default()
    };
    let response = Payload {
        content_type: answer.content_type,
        segments: &response,
        ..Payload::default()
    };
    exchange(path, request, Some((answer.status, response)), &POLICY)
}

/// What is read of an answer to a request that asks nothing of note.
fn reply(path: &str, answer: &Answer) -> Value {
    let question = json!({"messages": [{"role": "user", "content": "hi"}]});
    told(&heard(path, &question, answer).reply)
}

/// What is read of a request.
fn prompt(path: &str, request: &Value) -> Value {
    let spoken = heard(path, request, &whole(json!({})));
    let prompt = spoken.prompt;
    json!({
        "model": prompt.model,
        "instructions": prompt.instructions.iter().map(message).collect::<Value>(),
        "messages": prompt.messages.iter().map(message).collect::<Value>(),
        "has_tools": prompt.tools.is_some(),
        "stream": prompt.stream,
    })
}

fn told(reply: &Reply) -> Value {
    let usage = &reply.usage;
    json!({
        "id": reply.response_id,
        "model": reply.model,
        "provider": reply.provider,
        "choices": reply.choices.iter().map(|choice| {
            let mut told = message(&choice.message);
            told["finish"] = choice.finish_reason.clone().into();
            told
        }).collect::<Value>(),
        "usage": {
            "prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "total": usage.total_tokens,
            "cached": usage.cached_tokens, "cache_write": usage.cache_write_tokens,
            "reasoning": usage.reasoning_tokens,
        },
        "error": reply.error.as_ref().map(|error| json!({
            "message": error.message, "code": error.code, "type": error.kind, "other": error.other,
        })),
        "streamed": reply.streamed,
    })
}

fn message(message: &Message) -> Value {
    let calls = message.tool_calls.iter();
    let calls = calls.map(|call| json!([call.id, call.kind, call.name, call.arguments]));
    json!({
        "role": message.role.as_str(),
        "text": message.content,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "calls": calls.collect::<Value>(),
        "answers": message.tool_call_id,
        "other": message.clone().take_other(),
    })
}

/// Every member that is expected is found, however much more there is.
#[track_caller]
fn assert_has(found: &Value, expected: &Value) {
    if let Some(path) = differs(found, expected) {
        panic!("at {path}\n  expected {expected:#}\n  found {found:#}");
    }
}

fn differs(found: &Value, expected: &Value) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().find_map(|(key, expected)| {
                let found = found.get(key).unwrap_or(&Value::Null);
                differs(found, expected).map(|path| format!(".{key}{path}"))
            })
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let pairs = found.iter().zip(expected).enumerate();
            pairs.into_iter().find_map(|(at, (found, expected))| {
                differs(found, expected).map(|path| format!("[{at}]{path}"))
            })
        }
        _ => (found != expected).then(String::new),
    }
}
