//! Recorded traffic of real providers, against what their own SDKs make of it.

mod oracle;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use self::oracle::{align, decoded, expected, holds_results, items, roles, speakers};
use super::{Payload, Policy, Spoken, exchange};
use crate::conversation::Choice;

/// Where the corpus is, unless `TEST_CORPUS` names another folder.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");

/// Dialects of the corpus that are read, and whose they are.
const READ: &[(&str, &str)] = &[
    ("openai-chat", "openai"),
    ("openai-responses", "openai"),
    ("openai-completions", "openai"),
    ("openai-embeddings", "openai"),
    ("cohere-v1-chat", "cohere"),
    ("cohere-v2-chat", "cohere"),
    ("ollama-chat", "ollama"),
    ("ollama-generate", "ollama"),
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

#[test]
fn streams_without_their_end_say_the_same() {
    let mut count = 0;
    for entry in fs::read_dir(CORPUS).into_iter().flatten().flatten() {
        let file = fs::read(entry.path()).expect("a file");
        let Ok(interaction) = serde_json::from_slice::<Value>(&file) else {
            continue;
        };
        if interaction["provider"] != "openai-responses" || interaction["stream_kind"] != "sse" {
            continue;
        }
        let response = String::from_utf8(bytes(&interaction, "response_body")).expect("text");
        let Some(at) = response.find(r#""type":"response.completed""#) else {
            continue;
        };
        count += 1;
        let before = response[..at].rfind("\n\n").expect("an event before it");
        let read = |response: &str| {
            let mut spoken = spoken(&interaction, &[], &[response.as_bytes()]);
            let message = spoken.reply.choices.remove(0).message;
            (message.content, message.reasoning, message.tool_calls)
        };
        let path = entry.path();
        assert_eq!(read(&response), read(&response[..before]), "{path:?}");
        // Nor does it need the items that are said again.
        let pieces: Vec<&str> = response[..before]
            .split("\n\n")
            .filter(|event| !event.contains(r#""type":"response.output_item.done""#))
            .collect();
        assert_eq!(read(&response), read(&pieces.join("\n\n")), "{path:?}");
    }
    assert!(
        count > 0 || !Path::new(CORPUS).is_dir(),
        "no stream in the corpus"
    );
}
