//! Recorded traffic of real providers, against what their own SDKs make of it.

use std::{env, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Payload, Policy, Spoken, exchange};
use crate::conversation::Choice;

/// Where the corpus is, unless `TEST_CORPUS` names another folder.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");

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
    json!({
        "index": choice.index,
        "role": message.role.as_str(),
        "text": text(Some(&message.content)),
        "reasoning": text(message.reasoning.as_deref()),
        "refusal": text(message.refusal.as_deref()),
        "tool_calls": same(&calls.collect()),
        "finish_reason": text(choice.finish_reason.as_deref()),
    })
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
    for choice in expected
        .get_mut("choices")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
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
    if let Some(members) = expected.as_object_mut() {
        members.remove("stream");
    }
    expected
}

#[test]
fn recorded_chats_read_as_the_sdks_read_them() {
    let Some(folder) = folder() else {
        println!("skipped: no corpus at {CORPUS}");
        return;
    };
    let (mut count, mut wrong) = (0, Vec::new());
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
        if interaction["provider"] != "openai-chat" || oracle["oracle"] == "none" {
            continue;
        }
        count += 1;
        let (request, response) = (
            bytes(&interaction, "request_body"),
            bytes(&interaction, "response_body"),
        );
        let pieces: Vec<&[u8]> = response.chunks(61).collect();
        let status =
            u16::try_from(interaction["status"].as_u64().expect("a status")).expect("a status");
        let path = interaction["url_path"].as_str().expect("a path");
        let spoken = exchange(
            path.split('?').next().expect("a path"),
            Payload {
                content_type: header(&interaction, "request_headers", "content-type"),
                content_encoding: interaction["request_content_encoding"]
                    .as_str()
                    .unwrap_or_default(),
                segments: &[&request],
                truncated: false,
            },
            Some((
                status,
                Payload {
                    content_type: interaction["replay_content_type"]
                        .as_str()
                        .unwrap_or_default(),
                    content_encoding: interaction["content_encoding"].as_str().unwrap_or_default(),
                    segments: &pieces,
                    truncated: false,
                },
            )),
            &POLICY,
        );
        let roles: Vec<&str> = spoken
            .prompt
            .instructions
            .iter()
            .chain(&spoken.prompt.messages)
            .map(|message| message.role.as_str())
            .collect();
        let asked = json!([
            spoken.prompt.model,
            roles,
            spoken.prompt.stream,
            spoken.reply.streamed,
            spoken.provider
        ]);
        let plain = &oracle["request"];
        let streamed = &interaction["streamed"];
        let expected_asked = json!([
            plain["model"],
            plain["roles"],
            plain["stream"].as_bool().unwrap_or(false),
            streamed,
            "openai"
        ]);
        let pairs = [
            (
                decoded(&spoken, &interaction["status"]),
                expected(&oracle["expected"]),
            ),
            (asked, expected_asked),
        ];
        wrong.extend(
            pairs
                .into_iter()
                .filter(|(ours, theirs)| ours != theirs)
                .map(|(ours, theirs)| format!("{id}\n  ours   {ours}\n  theirs {theirs}")),
        );
    }
    println!("{count} recorded chats, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 0, "no chat in the corpus");
}
