//! What was read and what is expected, in one form.

use serde_json::{Value, json};

use super::bytes;
use crate::{conversation::Choice, decode::Spoken};

/// Null and empty text are the same to the oracle.
fn text(value: Option<&str>) -> Value {
    value
        .filter(|text| !text.is_empty())
        .map_or(Value::Null, Value::from)
}

fn same(value: &Value) -> Value {
    match value {
        Value::String(word) if word.is_empty() => Value::Null,
        Value::Array(values) if values.is_empty() => Value::Null,
        other => other.clone(),
    }
}

fn choice(choice: &Choice) -> Value {
    let message = &choice.message;
    let calls = message.tool_calls.iter().map(|call| {
        json!({"id": call.id, "type": call.kind, "name": call.name, "arguments": call.arguments, "form": "string"})
    });
    let mut read = json!({
        "index": choice.index,
        "role": message.role.as_str(),
        "text": text(Some(&message.content)),
        "reasoning": text(message.reasoning.as_deref()),
        "refusal": text(message.refusal.as_deref()),
        "tool_calls": same(&calls.collect()),
        "finish_reason": text(choice.finish_reason.as_deref()),
    });
    if let Some(embeddings) = message.other.get("embeddings") {
        read["embeddings"] = embeddings["count"].clone();
    }
    read
}

pub(super) fn decoded(spoken: &Spoken, status: &Value) -> Value {
    let reply = &spoken.reply;
    if let (Some(error), true) = (&reply.error, reply.choices.is_empty()) {
        return json!({"kind": "error", "error": {
            "status": status, "message": error.message, "code": error.code, "type": error.kind,
        }});
    }
    let usage = &reply.usage;
    json!({
        "kind": "message",
        "response_id": text(reply.response_id.as_deref()),
        "model": text(reply.model.as_deref()),
        "choices": reply.choices.iter().map(choice).collect::<Value>(),
        "usage": usage.raw.as_ref().map(|_| json!({
            "prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "total": usage.total_tokens,
            "cached": usage.cached_tokens, "cache_write": usage.cache_write_tokens, "reasoning": usage.reasoning_tokens,
        })),
        "stream_error": reply.error.as_ref().map(|error| json!({
            "message": error.message, "code": error.code, "type": error.kind,
        })),
    })
}

pub(super) fn expected(oracle: &Value) -> Value {
    let mut expected = oracle.clone();
    for key in ["response_id", "model"] {
        if let Some(value) = expected.get_mut(key) {
            *value = same(value);
        }
    }
    for choice in list_mut(&mut expected, "choices") {
        for key in [
            "text",
            "reasoning",
            "refusal",
            "tool_calls",
            "finish_reason",
        ] {
            choice[key] = same(&choice[key]);
        }
    }
    if expected["kind"] == "message" && expected.get("stream_error").is_none() {
        expected["stream_error"] = Value::Null;
    }
    for key in ["error", "stream_error"] {
        if let Some(Value::Number(code)) = expected
            .get(key)
            .and_then(|error| error.get("code"))
            .cloned()
        {
            expected[key]["code"] = code.to_string().into();
        }
    }
    if let Some(usage) = expected.get_mut("usage").and_then(Value::as_object_mut) {
        for tokens in usage.values_mut() {
            if let Some(whole) = tokens.as_f64().filter(|tokens| tokens.fract() == 0.0) {
                *tokens = (whole as i64).into();
            }
        }
    }
    if expected["kind"] == "embedding" {
        let count = expected["n_embeddings"].take();
        expected["kind"] = "message".into();
        expected["stream_error"] = Value::Null;
        // What is stated of the vectors needs an answer to stand on.
        expected["choices"] = json!([{
            "index": 0, "role": null, "text": null, "reasoning": null, "refusal": null,
            "tool_calls": null, "finish_reason": null, "embeddings": count,
        }]);
    }
    if let Some(members) = expected.as_object_mut() {
        members.remove("n_embeddings");
        members.remove("stream");
        members.remove("blocks");
        members.remove("items");
    }
    expected
}

fn list_mut<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = value.get_mut(key).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// Gives what was read the form in which the oracle states it: arguments that are compared as JSON are
/// parsed, and a role that the oracle does not know is none.
pub(super) fn align(ours: &mut Value, theirs: &mut Value) {
    for (ours, theirs) in list_mut(ours, "choices").zip(list_mut(theirs, "choices")) {
        if theirs["role"].is_null() {
            ours["role"] = Value::Null;
        }
        // The provider's word for the assistant of all others.
        if theirs["role"] == "model" && ours["role"] == "assistant" {
            ours["role"] = "model".into();
        }
        for (ours, theirs) in list_mut(ours, "tool_calls").zip(list_mut(theirs, "tool_calls")) {
            if theirs["form"] == "object" {
                for call in [&mut *ours, theirs] {
                    let arguments = call["arguments"].as_str().map(serde_json::from_str);
                    call["arguments"] = match arguments {
                        Some(parsed) => parsed.unwrap_or(Value::Null),
                        None => call["arguments"].take(),
                    };
                }
                ours["form"] = "object".into();
            }
        }
    }
}

/// The roles of a request as they are to be read, from how the oracle lists its messages.
pub(super) fn roles(dialect: &str, interaction: &Value, request: &Value) -> Value {
    match dialect {
        "openai-completions" | "openai-embeddings" => inputs(interaction),
        "openai-responses" => turns(request),
        "ollama-generate" => json!(["user"]),
        "cohere-v1-chat" => history(interaction),
        _ => request["roles"].clone(),
    }
}

/// Whether a message of the request may hold results of tools, each of which is read as a message.
pub(super) fn holds_results(dialect: &str) -> bool {
    matches!(
        dialect,
        "anthropic-messages" | "gemini-generate" | "bedrock-converse" | "bedrock-invoke"
    )
}

/// Roles without the instructions, in the words of the oracle, and without those that repeat.
pub(super) fn speakers(roles: &Value) -> Value {
    let words = roles.as_array().into_iter().flatten();
    let mut speakers: Vec<&str> = words
        .map(|word| match word.as_str().unwrap_or_default() {
            "model" => "assistant",
            "tool" | "function" => "user",
            word => word,
        })
        .collect();
    speakers.dedup();
    if speakers.first() == Some(&"system") {
        speakers.remove(0);
    }
    json!(speakers)
}

/// A text and a list of tokens are one message of the user.
fn inputs(interaction: &Value) -> Value {
    let request = bytes(interaction, "request_body");
    let request: Value = serde_json::from_slice(&request).expect("JSON");
    let input = request.get("prompt").or_else(|| request.get("input"));
    let count = match input.and_then(Value::as_array) {
        Some(inputs) if !inputs.iter().all(Value::is_number) => inputs.len(),
        _ => 1,
    };
    json!(vec!["user"; count])
}

/// The history of Cohere's first version, and the message after it.
fn history(interaction: &Value) -> Value {
    let request = bytes(interaction, "request_body");
    let request: Value = serde_json::from_slice(&request).expect("JSON");
    let turns = request["chat_history"].as_array().into_iter().flatten();
    let roles = turns.map(|turn| {
        match turn["role"]
            .as_str()
            .expect("a role")
            .to_lowercase()
            .as_str()
        {
            "chatbot" => "assistant".to_owned(),
            role => role.to_owned(),
        }
    });
    roles.chain(["user".to_owned()]).collect()
}

/// What the model answers at once is one message, and the result of a call one of the tool.
fn turns(request: &Value) -> Value {
    let mut turns = Vec::new();
    if request["has_system"] == true {
        turns.push("system");
    }
    for role in request["roles"].as_array().into_iter().flatten() {
        let turn = match role.as_str().expect("a role") {
            "<string input>" => "user",
            role @ ("user" | "system" | "developer") => role,
            role if role.ends_with("_output") => "tool",
            _ => "assistant",
        };
        if turn != "assistant" || turns.last() != Some(&turn) {
            turns.push(turn);
        }
    }
    json!(turns)
}

/// The kinds of the items of an answer, in order, where the oracle lists them.
pub(super) fn items(spoken: &Spoken, oracle: &Value) -> Option<(Value, Value)> {
    let items = oracle["expected"]["items"].as_array()?;
    let choice = spoken.reply.choices.first()?;
    let output = choice.message.other.get("output");
    let output = output.and_then(Value::as_array).map(Vec::as_slice);
    let kinds = output.unwrap_or_default().iter().map(|item| &item["type"]);
    Some((kinds.cloned().collect(), items.clone().into()))
}
