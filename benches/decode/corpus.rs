//! Recorded exchanges, by dialect.

use std::{env, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, value::RawValue};

use super::{Kind, Sample};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
/// The streams of which the documents can be told.
const STREAMS: [&str; 4] = ["sse", "ndjson", "json-array", "aws-eventstream"];

pub fn samples() -> Vec<Sample> {
    let folder = env::var("TEST_CORPUS").unwrap_or_else(|_| CORPUS.to_owned());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| of_exchange(&entry.path()))
        .flatten()
        .collect()
}

fn of_exchange(file: &Path) -> Option<[Sample; 2]> {
    let recorded: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let text = |name: &str| Some(recorded.get(name)?.as_str()?.to_owned());
    // What is compressed would be a measure of its expansion.
    if text("content_encoding").is_some_and(|encoding| !encoding.is_empty()) {
        return None;
    }
    let (request, response) = (
        body(&recorded, "request_body")?,
        body(&recorded, "response_body")?,
    );
    let stream = text("stream_kind").filter(|kind| STREAMS.contains(&kind.as_str()));
    let request = Sample {
        dialect: text("provider")?,
        kind: Kind::Request,
        path: text("url_path")?.split('?').next()?.to_owned(),
        status: recorded.get("status")?.as_u64()?.try_into().ok()?,
        content_type: "application/json".to_owned(),
        documents: vec![request.clone()],
        bytes: request,
    };
    let response = Sample {
        dialect: request.dialect.clone(),
        kind: match stream {
            Some(_) => Kind::Stream,
            None => Kind::Answer,
        },
        path: request.path.clone(),
        status: request.status,
        content_type: text("replay_content_type").unwrap_or_default(),
        documents: documents(&response, stream.as_deref()),
        bytes: response,
    };
    Some([request, response])
}

fn body(recorded: &Value, name: &str) -> Option<Vec<u8>> {
    let text = recorded.get(name)?.as_str()?;
    match recorded.get(format!("{name}_encoding"))?.as_str() {
        Some("base64") => STANDARD.decode(text).ok(),
        _ => Some(text.as_bytes().to_vec()),
    }
}

/// The documents of a response: the data of events, lines, payloads of Amazon's messages, or the whole.
fn documents(response: &[u8], kind: Option<&str>) -> Vec<Vec<u8>> {
    let lines = || {
        response
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
    };
    match kind {
        Some("sse") => lines()
            .filter_map(|line| line.strip_prefix(b"data:"))
            .map(|data| data.trim_ascii().to_vec())
            .collect(),
        Some("ndjson") => lines().map(<[u8]>::to_vec).collect(),
        Some("json-array") => elements(response),
        Some("aws-eventstream") => payloads(response),
        _ => vec![response.to_vec()],
    }
}

fn elements(response: &[u8]) -> Vec<Vec<u8>> {
    let elements: Vec<&RawValue> = serde_json::from_slice(response).unwrap_or_default();
    let sources = elements.into_iter().map(RawValue::get);
    sources.map(|source| source.as_bytes().to_vec()).collect()
}

/// The event of a model's own dialect, within one of Amazon's.
fn inner(payload: &[u8]) -> Option<Vec<u8>> {
    let payload: Value = serde_json::from_slice(payload).ok()?;
    STANDARD.decode(payload.get("bytes")?.as_str()?).ok()
}

fn payloads(mut messages: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Some((prelude, _)) = messages.split_first_chunk::<12>() {
        let [a, b, c, d, e, f, g, h, ..] = *prelude;
        let whole = u32::from_be_bytes([a, b, c, d]) as usize;
        let headers = u32::from_be_bytes([e, f, g, h]) as usize;
        let Some((message, rest)) = messages.split_at_checked(whole) else {
            break;
        };
        let payload = message.get(12 + headers..whole - 4).unwrap_or_default();
        payloads.push(payload.to_vec());
        payloads.extend(inner(payload));
        messages = rest;
    }
    payloads
}
