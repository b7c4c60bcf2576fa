//! Recorded provider traffic, replayed through the layer in random cuts.

mod comparing;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, body::Body, extract::State, routing::any};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tower::Layer;
use tower_recording::RecordingLayer;

use self::comparing::{Found, said};
use crate::support::{errors, messages, serve, sqlite_dsn};

/// Where the corpus is, unless `TEST_CORPUS` names another folder.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");
/// Dialects of the corpus that are read.
const READ: &[&str] = &[
    "openai-chat",
    "openai-responses",
    "openai-completions",
    "openai-embeddings",
    "cohere-v1-chat",
    "cohere-v2-chat",
    "ollama-chat",
    "ollama-generate",
    "anthropic-messages",
    "gemini-generate",
    "bedrock-converse",
    "bedrock-invoke",
];
/// How often each interaction is replayed, cut differently.
const CUTS: u64 = 20;
/// How many replays go on at once.
const AT_ONCE: usize = 16;

struct Interaction {
    name: String,
    recorded: Value,
    expected: Value,
}

type Corpus = Arc<HashMap<String, Interaction>>;

/// Replays of a dialect. Those without an oracle agree with nobody, and differ from nobody.
#[derive(Default)]
struct Count {
    agree: u64,
    differ: u64,
    total: u64,
}

/// The corpus' folder; `None` where it is missing and nobody named one.
fn folder() -> Option<PathBuf> {
    let Some(named) = env::var_os("TEST_CORPUS").filter(|name| !name.is_empty()) else {
        return Some(PathBuf::from(CORPUS)).filter(|folder| folder.is_dir());
    };
    let folder = PathBuf::from(named);
    assert!(folder.is_dir(), "TEST_CORPUS is no folder");
    Some(folder)
}

fn read(folder: &Path) -> Corpus {
    let mut corpus = HashMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".expected.json") else {
            continue;
        };
        let json = |file: String| -> Value {
            let text = fs::read(folder.join(file)).expect("a readable file");
            serde_json::from_slice(&text).expect("JSON")
        };
        let expected = json(file.clone());
        let recorded = json(format!("{name}.json"));
        let name = name.to_owned();
        corpus.insert(
            name.clone(),
            Interaction {
                name,
                recorded,
                expected,
            },
        );
    }
    assert!(!corpus.is_empty(), "nothing in the corpus");
    Arc::new(corpus)
}

fn body(recorded: &Value, name: &str) -> Bytes {
    let text = recorded[name].as_str().unwrap_or_default();
    match recorded[format!("{name}_encoding")].as_str() {
        Some("base64") => STANDARD.decode(text).expect("base64").into(),
        _ => Bytes::copy_from_slice(text.as_bytes()),
    }
}

/// Cuts bytes at random places.
fn cut(bytes: &Bytes, seed: u64) -> Vec<Bytes> {
    let mut random = StdRng::seed_from_u64(seed);
    // To those who speak HTTP/2 many small frames are a flood, and they hang up.
    let shortest_of = if seed.is_multiple_of(2) { 0 } else { 2 };
    let longest = [3, 40, 2_000, 20_000][random.random_range(shortest_of..4)];
    let mut rest = bytes.clone();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = random.random_range(1..=longest).min(rest.len());
        pieces.push(rest.split_to(length));
    }
    pieces
}

/// Serves the recorded bytes of the interaction that a header names.
async fn replay(State(corpus): State<Corpus>, headers: HeaderMap, asked: Bytes) -> Response<Body> {
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    let recorded = &corpus[&header("x-interaction")].recorded;
    assert_eq!(asked, body(recorded, "request_body"));
    let seed = header("x-seed").parse().expect("a number");
    let pieces = cut(&body(recorded, "response_body"), seed);
    let status = recorded["status"].as_u64().expect("a status") as u16;
    let mut response = Response::builder().status(status);
    if let Some(content_type) = recorded["replay_content_type"].as_str() {
        response = response.header("content-type", content_type);
    }
    match recorded["content_encoding"].as_str() {
        None | Some("") => {}
        Some(encoding) => response = response.header("content-encoding", encoding),
    }
    let headers = recorded["response_headers"]
        .as_array()
        .into_iter()
        .flatten();
    for header in headers.filter(|header| header[0] == "x-amzn-errortype") {
        let value = header[1].as_str().expect("a value");
        response = response.header("x-amzn-errortype", value);
    }
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
    response
        .body(Body::from_stream(pieces))
        .expect("a response")
}

/// Sends what was asked, and gets what was answered, each in pieces that this seed cuts.
async fn replayed(
    client: &Client<HttpConnector, Body>,
    address: SocketAddr,
    interaction: &Interaction,
    seed: u64,
) {
    let Interaction { name, recorded, .. } = interaction;
    let path = recorded["url_path"].as_str().expect("a path");
    let asked = body(recorded, "request_body");
    let pieces = cut(&asked, seed + CUTS);
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
    let method = recorded["method"].as_str().expect("a method");
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .header("x-interaction", name)
        .header("x-seed", seed.to_string())
        .header("x-session-id", format!("{name}-{seed}"))
        .body(Body::from_stream(pieces))
        .expect("a request");
    let response = client.request(request).await.expect("an answer");
    let status = u64::from(response.status().as_u16());
    assert_eq!(status, recorded["status"], "{name}");
    let received = response.into_body().collect().await.expect("a whole body");
    let sent = body(recorded, "response_body");
    assert!(received.to_bytes() == sent, "{name} cut by {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_traffic_passes_unchanged_and_is_stored_as_the_sdk_reads_it() {
    let Some(folder) = folder() else {
        println!("skipped: no corpus at {CORPUS}");
        return;
    };
    let corpus = read(&folder);
    let database = tempfile::tempdir().expect("a folder");
    // What is no conversation has to pass, too.
    let layer = RecordingLayer::builder(sqlite_dsn(database.path()))
        .also_record(|_, _| true)
        .build()
        .expect("a layer");
    let recorder = layer.recorder();
    let app = Router::new()
        .route("/{*path}", any(replay))
        .with_state(Arc::clone(&corpus));
    let address = serve(layer.layer(app)).await;
    let clients = [false, true].map(|http2_only| {
        Client::builder(TokioExecutor::new())
            .http2_only(http2_only)
            .build(HttpConnector::new())
    });

    let replays = corpus
        .values()
        .flat_map(|interaction| (0..CUTS).map(move |seed| (interaction, seed)))
        .map(|(interaction, seed)| {
            let [of_old, of_today] = &clients;
            let client = if seed % 2 == 0 { of_old } else { of_today };
            replayed(client, address, interaction, seed)
        });
    let replays = stream::iter(replays).buffer_unordered(AT_ONCE);
    replays.collect::<()>().await;
    recorder.flush().await;

    let mut differ = Vec::new();
    let mut table = BTreeMap::<&str, Count>::new();
    for interaction in corpus.values() {
        let dialect = interaction.recorded["provider"]
            .as_str()
            .expect("a dialect");
        let is_judged = READ.contains(&dialect) && interaction.expected["oracle"] != "none";
        let count = table.entry(dialect).or_default();
        for seed in 0..CUTS {
            let session = format!("{}-{seed}", interaction.name);
            let found = Found {
                messages: said(messages(&recorder, &session).await),
                errors: errors(&recorder, &session).await,
            };
            count.total += 1;
            match is_judged.then(|| found.compare(interaction)) {
                None => {}
                Some(Ok(())) => count.agree += 1,
                Some(Err(why)) => {
                    count.differ += 1;
                    differ.push(format!("{session}: {why}"));
                }
            }
        }
    }
    println!("{:24} agree differ total", "dialect");
    for (dialect, count) in &table {
        let Count {
            agree,
            differ,
            total,
        } = count;
        println!("{dialect:24} {agree:5} {differ:6} {total:5}");
    }
    assert!(differ.is_empty(), "{differ:#?}");
    assert_eq!(recorder.metrics().written, corpus.len() as u64 * CUTS);
}
