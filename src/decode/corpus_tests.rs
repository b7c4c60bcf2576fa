//! Recorded traffic of real providers, against what their own SDKs make of it.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::{Payload, Policy, Spoken, exchange};
use crate::conversation::Choice;

/// Where the corpus is, unless `TEST_CORPUS` names another folder.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");

/// Dialects of the corpus that are read, and whose they are.
const READ: &[(&str, &str)] = &[
    ("openai-chat", "openai"),
    ("openai-responses", "openai"),
    ("anthropic-messages", "anthropic"),
    ("gemini-generate", "google"),
    ("bedrock-converse", "bedrock"),
    ("bedrock-invoke", "bedrock"),
];

/// How often each body is cut, differently.
const CUTS: u64 = 20;

const POLICY: Policy = Policy {
    max_decoded_bytes: 64 << 20,
    max_parsed_bytes: 256 << 20,
    max_raw_bytes: 1 << 20,
    keep_media: false,
};

/// The corpus' folder; `None` where it is missing and nobody named one.
fn folder() -> Option<PathBuf> {
    let Some(named) = env::var_os("TEST_CORPUS").filter(|name| !name.is_empty()) else {
        return Some(PathBuf::from(CORPUS)).filter(|folder| folder.is_dir());
    };
    let folder = PathBuf::from(named);
    assert!(folder.is_dir(), "TEST_CORPUS is no folder");
    Some(folder)
}

fn bytes(interaction: &Value, body: &str) -> Vec<u8> {
    let text = interaction[body].as_str().unwrap_or_default();
    match interaction[format!("{body}_encoding")].as_str() {
        Some("base64") => STANDARD.decode(text).expect("base64"),
        _ => text.as_bytes().to_vec(),
    }
}

fn header<'a>(interaction: &'a Value, list: &str, name: &str) -> &'a str {
    let headers = interaction[list]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    headers
        .iter()
        .find(|header| header[0] == name)
        .and_then(|header| header[1].as_str())
        .unwrap_or_default()
}

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

fn decoded(spoken: &Spoken, status: &Value) -> Value {
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

fn expected(oracle: &Value) -> Value {
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
fn align(ours: &mut Value, theirs: &mut Value) {
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
fn roles(dialect: &str, interaction: &Value, request: &Value) -> Value {
    match dialect {
        "openai-completions" | "openai-embeddings" => inputs(interaction),
        "openai-responses" => turns(request),
        _ => request["roles"].clone(),
    }
}

/// Whether a message of the request may hold results of tools, each of which is read as a message.
fn holds_results(dialect: &str) -> bool {
    matches!(
        dialect,
        "anthropic-messages" | "gemini-generate" | "bedrock-converse" | "bedrock-invoke"
    )
}

/// Roles without the instructions, in the words of the oracle, and without those that repeat.
fn speakers(roles: &Value) -> Value {
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
fn items(spoken: &Spoken, oracle: &Value) -> Option<(Value, Value)> {
    let items = oracle["expected"]["items"].as_array()?;
    let choice = spoken.reply.choices.first()?;
    let output = choice.message.other.get("output");
    let output = output.and_then(Value::as_array).map(Vec::as_slice);
    let kinds = output.unwrap_or_default().iter().map(|item| &item["type"]);
    Some((kinds.cloned().collect(), items.clone().into()))
}

/// Bytes cut at random places.
fn cut(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut random = StdRng::seed_from_u64(seed);
    let longest = [3, 40, 700, 20_000][random.random_range(0..4)];
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.random_range(1..=longest).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn spoken(interaction: &Value, request: &[&[u8]], response: &[&[u8]]) -> Spoken {
    let text = |key: &str| interaction[key].as_str().unwrap_or_default();
    let status = interaction["status"].as_u64().expect("a status");
    let path = text("url_path").split('?').next().expect("a path");
    let request = Payload {
        content_type: header(interaction, "request_headers", "content-type"),
        content_encoding: text("request_content_encoding"),
        segments: request,
        ..Payload::default()
    };
    let response = Payload {
        content_type: text("replay_content_type"),
        content_encoding: text("content_encoding"),
        error_type: header(interaction, "response_headers", "x-amzn-errortype"),
        segments: response,
        truncated: false,
    };
    let status = u16::try_from(status).expect("a status");
    exchange(path, request, Some((status, response)), &POLICY)
}

/// What differs from the oracle.
fn differs(
    dialect: &str,
    provider: &str,
    interaction: &Value,
    spoken: &Spoken,
    oracle: &Value,
) -> Option<String> {
    let instructions = spoken.prompt.instructions.iter();
    let asked = instructions.chain(&spoken.prompt.messages);
    let roles_asked: Vec<&str> = asked.map(|message| message.role.as_str()).collect();
    let plain = &oracle["request"];
    let path = interaction["url_path"].as_str().expect("a path");
    let path = path.split('?').next().unwrap_or_default();
    let model = match (&plain["model"], super::path::model(path)) {
        (Value::Null, Some(model)) => model.into(),
        (model, _) => model.clone(),
    };
    let stream = plain["stream"].as_bool().unwrap_or(false) || super::path::asks_for_stream(path);
    let (roles_asked, roles) = match holds_results(dialect) {
        // A request that is no JSON.
        true if plain["roles"].is_null() => (Value::Null, Value::Null),
        true => (
            speakers(&json!(roles_asked)),
            speakers(&roles(dialect, interaction, plain)),
        ),
        false => (json!(roles_asked), roles(dialect, interaction, plain)),
    };
    let asked = json!([
        spoken.prompt.model,
        roles_asked,
        spoken.prompt.stream,
        spoken.reply.streamed,
        spoken.provider
    ]);
    let expected_asked = json!([model, roles, stream, interaction["streamed"], provider]);
    let mut theirs = expected(&oracle["expected"]);
    // An SDK that makes nothing of a whole stream loses what stands here as it came.
    let is_raw = |choice: &Choice| choice.message.other.contains_key("raw");
    if theirs["choices"] == json!([]) && spoken.reply.choices.iter().any(is_raw) {
        return None;
    }
    let mut ours = decoded(spoken, &interaction["status"]);
    align(&mut ours, &mut theirs);
    [(ours, theirs), (asked, expected_asked)]
        .into_iter()
        .chain(items(spoken, oracle))
        .find(|(ours, theirs)| ours != theirs)
        .map(|(ours, theirs)| format!("  ours   {ours}\n  theirs {theirs}"))
}

#[derive(Default)]
struct Count {
    agree: usize,
    differ: usize,
    total: usize,
}

#[test]
fn recorded_chats_read_as_the_sdks_read_them() {
    let Some(folder) = folder() else {
        println!("skipped: no corpus at {CORPUS}");
        return;
    };
    let (mut counts, mut wrong) = (BTreeMap::<String, Count>::new(), Vec::new());
    for entry in fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
    {
        let Some(id) = entry
            .to_str()
            .and_then(|path| path.strip_suffix(".expected.json"))
        else {
            continue;
        };
        let read = |path: &str| -> Value {
            serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
        };
        let oracle = read(&format!("{id}.expected.json"));
        let interaction = read(&format!("{id}.json"));
        let dialect = interaction["provider"].as_str().expect("a dialect");
        let (request, response) = (
            bytes(&interaction, "request_body"),
            bytes(&interaction, "response_body"),
        );
        let whole = spoken(&interaction, &[&request], &[&response]);
        for seed in 0..CUTS {
            let cut = spoken(&interaction, &cut(&request, seed), &cut(&response, seed));
            assert_eq!(whole.prompt, cut.prompt, "{id} cut by {seed}");
            assert_eq!(whole.reply, cut.reply, "{id} cut by {seed}");
        }
        let count = counts.entry(dialect.to_owned()).or_default();
        count.total += 1;
        let provider = READ.iter().find(|(read, _)| *read == dialect);
        let Some((_, provider)) = provider.filter(|_| oracle["oracle"] != "none") else {
            continue;
        };
        match differs(dialect, provider, &interaction, &whole, &oracle) {
            None => count.agree += 1,
            Some(why) => {
                count.differ += 1;
                wrong.push(format!("{id}\n{why}"));
            }
        }
    }
    println!("{:24} agree differ total", "dialect");
    for (dialect, count) in &counts {
        let Count {
            agree,
            differ,
            total,
        } = count;
        println!("{dialect:24} {agree:5} {differ:6} {total:5}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!counts.is_empty(), "nothing in the corpus");
}
