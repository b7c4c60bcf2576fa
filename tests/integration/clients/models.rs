//! What models answer, whole or in the events that their providers stream.

use serde_json::{Value, json};

/// A body, and its content type.
pub struct Answer {
    pub kind: &'static str,
    pub body: String,
}

fn document(body: Value) -> Answer {
    Answer {
        kind: "application/json",
        body: body.to_string(),
    }
}

/// Events that are named by their type, where they have one.
fn events(events: impl IntoIterator<Item = Value>) -> Answer {
    let written = events
        .into_iter()
        .map(|event| match event["type"].as_str() {
            Some(name) => format!("event: {name}\ndata: {event}\n\n"),
            None => format!("data: {event}\n\n"),
        });
    Answer {
        kind: "text/event-stream; charset=utf-8",
        body: written.collect(),
    }
}

/// A text in pieces of three letters.
fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(3).map(String::from_iter).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn chat_end(message: &Value) -> &'static str {
    match message["tool_calls"].is_array() {
        true => "tool_calls",
        false => "stop",
    }
}

/// A chat completion.
pub fn chat(id: &str, message: &Value) -> Answer {
    document(json!({
        "id": id, "object": "chat.completion", "created": 1_764_000_000, "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": chat_end(message)}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }))
}

/// The same in chunks.
pub fn chat_stream(id: &str, message: &Value) -> Answer {
    let chunk = |choices: Value, usage: Value| {
        json!({
            "id": id, "object": "chat.completion.chunk", "created": 1_764_000_000,
            "model": "gpt-4.1-2025-04-14", "choices": choices, "usage": usage,
        })
    };
    let delta = |delta: Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        chunk(json!([choice]), Value::Null)
    };
    let mut chunks = vec![delta(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    for piece in pieces(text(message, "content")) {
        chunks.push(delta(json!({"content": piece}), Value::Null));
    }
    for (index, call) in list(message, "tool_calls").enumerate() {
        let mut begun = call.clone();
        begun["index"] = index.into();
        begun["function"]["arguments"] = "".into();
        chunks.push(delta(json!({"tool_calls": [begun]}), Value::Null));
        for piece in pieces(text(&call["function"], "arguments")) {
            let more = json!({"index": index, "function": {"arguments": piece}});
            chunks.push(delta(json!({"tool_calls": [more]}), Value::Null));
        }
    }
    chunks.push(delta(json!({}), chat_end(message).into()));
    let usage = json!({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25});
    chunks.push(chunk(json!([]), usage));
    let mut answer = events(chunks);
    answer.body += "data: [DONE]\n\n";
    answer
}

fn blocks_end(blocks: &Value) -> &'static str {
    let calls = |block: &Value| block["type"] == "tool_use";
    match blocks
        .as_array()
        .is_some_and(|blocks| blocks.iter().any(calls))
    {
        true => "tool_use",
        false => "end_turn",
    }
}

/// A message of Anthropic's with these blocks.
pub fn blocks(id: &str, blocks: &Value) -> Answer {
    document(json!({
        "id": id, "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": blocks, "stop_reason": blocks_end(blocks), "stop_sequence": null,
        "usage": {"input_tokens": 20, "output_tokens": 5},
    }))
}

/// The same in events.
pub fn blocks_stream(id: &str, blocks: &Value) -> Answer {
    let mut all = vec![json!({"type": "message_start", "message": {
        "id": id, "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 20, "output_tokens": 1},
    }})];
    for (index, block) in blocks.as_array().expect("blocks").iter().enumerate() {
        let mut begun = block.clone();
        let mut deltas = Vec::new();
        let mut split = |key: &str, kind: &str, name: &str, whole: &str| {
            begun[key] = if key == "input" { json!({}) } else { "".into() };
            deltas.extend(
                pieces(whole)
                    .into_iter()
                    .map(|piece| json!({"type": kind, name: piece})),
            );
        };
        match text(block, "type") {
            "text" => split("text", "text_delta", "text", text(block, "text")),
            "thinking" => {
                split(
                    "thinking",
                    "thinking_delta",
                    "thinking",
                    text(block, "thinking"),
                );
                let signature = text(block, "signature");
                begun["signature"] = "".into();
                deltas.push(json!({"type": "signature_delta", "signature": signature}));
            }
            _ => split(
                "input",
                "input_json_delta",
                "partial_json",
                &block["input"].to_string(),
            ),
        }
        all.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        all.extend(
            deltas.into_iter().map(
                |delta| json!({"type": "content_block_delta", "index": index, "delta": delta}),
            ),
        );
        all.push(json!({"type": "content_block_stop", "index": index}));
    }
    let stopped = json!({"stop_reason": blocks_end(blocks), "stop_sequence": null});
    all.push(json!({"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 5}}));
    all.push(json!({"type": "message_stop"}));
    events(all)
}

fn response_of(id: &str, status: &str, output: &Value) -> Value {
    json!({
        "id": id, "object": "response", "created_at": 1_764_000_000, "status": status, "error": null,
        "model": "gpt-5-codex", "output": output,
        "usage": {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25},
    })
}

/// A response with these items.
pub fn response(id: &str, output: &Value) -> Answer {
    document(response_of(id, "completed", output))
}

/// The same in events.
pub fn response_stream(id: &str, output: &Value) -> Answer {
    let begun = response_of(id, "in_progress", &json!([]));
    let mut all = vec![json!({"type": "response.created", "response": begun})];
    for (index, item) in output.as_array().expect("items").iter().enumerate() {
        let mut begun = item.clone();
        let mut deltas = Vec::new();
        let mut split = |kind: &str, whole: &str| {
            deltas.extend(pieces(whole).into_iter().map(|piece| {
                json!({"type": kind, "item_id": item["id"], "output_index": index,
                       "content_index": 0, "delta": piece})
            }));
        };
        match text(item, "type") {
            "message" => {
                begun["content"] = json!([]);
                split(
                    "response.output_text.delta",
                    text(&item["content"][0], "text"),
                );
            }
            "function_call" => {
                begun["arguments"] = "".into();
                split(
                    "response.function_call_arguments.delta",
                    text(item, "arguments"),
                );
            }
            _ => {}
        }
        all.push(
            json!({"type": "response.output_item.added", "output_index": index, "item": begun}),
        );
        all.append(&mut deltas);
        all.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    let done = response_of(id, "completed", output);
    all.push(json!({"type": "response.completed", "response": done}));
    events(all)
}
