//! What nobody would send: no panic, no more memory than there was to read, no more time than it took.
//!
//! The same as the targets of `fuzz/`, for those without nightly. `PROPTEST_CASES` asks for more.

use std::{fs, path::Path, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::Value;

use crate::internals::{
    Body, CONTENT_TYPES, ENCODINGS, Heard, MAX_DECODED_BYTES, MAX_RAW_BYTES, PATHS, hear, identify,
};

/// Where the corpus is.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
/// Longer ones would make of every case a long one.
const MAX_SAMPLE_BYTES: usize = 8 << 10;

/// Bodies to be damaged: recorded ones where they are at hand, and a few of each kind in any case.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut samples: Vec<Vec<u8>> = [
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"stream":true,"user":"u"}"#,
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}"#,
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\ndata: [DONE]\n\n",
        "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\r\n\r\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"a\"}\n\n",
        "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]},\n{\"usageMetadata\":{\"promptTokenCount\":1}}]",
        "{\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n{\"done\":true,\"eval_count\":1}\n",
        r#"{"type":"message-end","delta":{"usage":{"tokens":{"input_tokens":1}}}}"#,
        r#"{"output":{"message":{"content":[{"text":"a"},{"toolUse":{"input":{}}}]}},"usage":{"inputTokens":1}}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    if !Path::new(CORPUS).exists() {
        println!("skipped: recorded bodies, since there is no corpus at {CORPUS}");
    }
    for entry in fs::read_dir(CORPUS).into_iter().flatten().flatten() {
        let text = fs::read(entry.path()).unwrap_or_default();
        let recorded: Value = serde_json::from_slice(&text).unwrap_or_default();
        let bodies = ["request_body", "response_body"];
        let bodies = bodies.iter().filter_map(|name| recorded[name].as_str());
        let short = bodies.filter(|body| body.len() <= MAX_SAMPLE_BYTES);
        samples.extend(short.map(|body| body.as_bytes().to_vec()));
    }
    samples
});

/// A damage: bytes that are left out from a place on, and others that stand there instead.
fn damage() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        "null",
        "-1e999",
        "99999999999999999999",
        "\n\n",
        "data:",
        "\0",
        "␛",
        "\\ud800",
    ]);
    let bytes = prop_oneof![
        word.prop_map(|word| word.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    (any::<prop::sample::Index>(), 0..40_usize, bytes)
}

fn damaged(mut body: Vec<u8>, damages: &[(prop::sample::Index, usize, Vec<u8>)]) -> Vec<u8> {
    for (at, left_out, instead) in damages {
        let from = at.index(body.len() + 1);
        let to = (from + left_out).min(body.len());
        body.splice(from..to, instead.iter().copied());
    }
    body
}

fn bounded(heard: Heard, bytes: usize) -> Result<(), TestCaseError> {
    // A byte that is no UTF-8 becomes five, in base64 a third more.
    let expanded = bytes.max(MAX_DECODED_BYTES);
    prop_assert!(
        heard.text_bytes <= 2 * (5 * expanded + 2 * MAX_RAW_BYTES),
        "{heard:?}"
    );
    prop_assert!(heard.messages <= 2 * (16_384 + 1024));
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_heard_in_every_dialect(
        path in prop::sample::select(PATHS.to_vec()),
        content_type in prop::sample::select(CONTENT_TYPES.to_vec()),
        content_encoding in prop::sample::select(ENCODINGS.to_vec()),
        request in prop::collection::vec(any::<u8>(), 0..200),
        response in prop::collection::vec(any::<u8>(), 0..200),
        status in prop::sample::select(vec![200, 400]),
        is_cut: bool,
    ) {
        let body = |bytes| Body { content_type, content_encoding, bytes, is_cut };
        let heard = hear(path, status, body(&request), body(&response));
        bounded(heard, request.len() + response.len())?;
    }

    #[test]
    fn damaged_bodies_are_heard_in_every_dialect(
        path in prop::sample::select(PATHS.to_vec()),
        content_type in prop::sample::select(CONTENT_TYPES.to_vec()),
        sample: prop::sample::Index,
        damages in prop::collection::vec(damage(), 0..6),
        status in prop::sample::select(vec![200, 400]),
        is_cut: bool,
    ) {
        let bytes = damaged(sample.get(&SAMPLES).clone(), &damages);
        let body = Body { content_type, content_encoding: "", bytes: &bytes, is_cut };
        bounded(hear(path, status, body, body), bytes.len())?;
    }

    #[test]
    fn arbitrary_headers_and_claims_name_somebody(
        headers in prop::collection::vec(("[a-z-]{1,20}|x-session-id|baggage|x-portkey-metadata|x-forwarded-for|session-id",
            prop::collection::vec(any::<u8>(), 0..300)), 0..8),
        body in "\\{(\"(user|session_id|metadata|prompt_cache_key)\":(\"[^\"]{0,300}\"|\\{|null|7),?){0,4}\\}?",
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in &headers {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
                map.append(name, value);
            }
        }
        for name in identify(&map, &body) {
            prop_assert!(!name.is_empty() && name.len() <= 255, "{name}");
        }
    }
}

/// Fails where a body takes much longer than sixteen times what one of a sixteenth of its length takes.
pub(super) fn grows(
    path: &str,
    content_type: &'static str,
    make: impl Fn(usize) -> Vec<u8>,
    size: usize,
) {
    let time = |bytes: &[u8]| {
        let body = Body {
            content_type,
            content_encoding: "",
            bytes,
            is_cut: true,
        };
        let started = std::time::Instant::now();
        hear(path, 200, Body::default(), body);
        started.elapsed().as_nanos().max(1)
    };
    let (part, whole) = (make(size / 16), make(size));
    let mut least = (u128::MAX, u128::MAX);
    // What is quadratic takes 256 times as long, however often it is tried; what is not may have met with
    // others on a busy machine.
    let is_linear = (0..20).any(|_| {
        least = (least.0.min(time(&part)), least.1.min(time(&whole)));
        least.1 < 128 * least.0
    });
    assert!(is_linear, "{path} {content_type}: {least:?} ns");
}

#[test]
fn no_body_takes_a_time_that_grows_with_its_square() {
    for path in PATHS {
        grows(
            path,
            "text/event-stream",
            |size| "data:\n\n".repeat(size).into(),
            30_000,
        );
        grows(
            path,
            "text/event-stream",
            |size| "a".repeat(size).into(),
            30_000,
        );
        grows(
            path,
            "application/x-ndjson",
            |size| "{\n".repeat(size).into(),
            30_000,
        );
        grows(
            path,
            "application/json",
            |size| "[".repeat(size).into(),
            30_000,
        );
        grows(
            path,
            "application/json",
            |size| "{\"a\":".repeat(size).into(),
            6_000,
        );
        let calls = |size: usize| {
            let call = |index| {
                format!(
                    "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":{index},\"id\":\"a\"}}]}}}}]}}\n\n"
                )
            };
            (0..size).map(call).collect::<String>().into()
        };
        grows(path, "text/event-stream", calls, 2_500);
    }
}
