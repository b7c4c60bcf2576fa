//! What it costs to read bodies, for each dialect, beside what it costs to parse the same bytes into
//! `serde_json::Value`: the whole document, or every event of a stream.
//!
//! `cargo bench --bench decode [-- [<rounds>] [<part of a dialect's name>]]`, some seconds beside the compilation.
//! Recorded traffic is read from the folder that `TEST_CORPUS` names, else from `../shared/corpus`; where there
//! is none, only the shapes that are made here are.

mod corpus;
mod made;

use std::{env, hint::black_box, time::Instant};

use serde_json::Value;
use tower_recording::internals::{Body, hear};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 101;
/// Each round reads at least so much: little enough to be over before others are given the core, most of the time.
const ROUND_BYTES: usize = 128 << 10;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Stream,
    Request,
    Answer,
}

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Self::Stream => "streamed answers",
            Self::Request => "requests",
            Self::Answer => "whole answers",
        }
    }
}

/// One body, and the documents in it.
struct Sample {
    dialect: String,
    kind: Kind,
    path: String,
    status: u16,
    content_type: String,
    bytes: Vec<u8>,
    /// What would have to be parsed to read it.
    documents: Vec<Vec<u8>>,
}

impl Sample {
    fn hear(&self) {
        let body = Body {
            content_type: &self.content_type,
            bytes: &self.bytes,
            ..Body::default()
        };
        let (request, response) = match self.kind {
            Kind::Request => (body, Body::default()),
            Kind::Stream | Kind::Answer => (Body::default(), body),
        };
        black_box(hear(&self.path, self.status, request, response));
    }

    fn parse(&self) {
        for document in &self.documents {
            let _ = black_box(serde_json::from_slice::<Value>(document));
        }
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.unwrap_or(ROUNDS);
    let is_name =
        |argument: &&String| !argument.starts_with('-') && argument.parse::<usize>().is_err();
    let only = arguments.iter().find(is_name);
    let mut samples = made::samples();
    samples.extend(corpus::samples());
    samples.retain(|sample| only.is_none_or(|only| sample.dialect.contains(only)));
    samples.sort_by(|one, other| (one.kind, &one.dialect).cmp(&(other.kind, &other.dialect)));
    println!("medians of {rounds} rounds");
    for of_kind in samples.chunk_by(|one, other| one.kind == other.kind) {
        let title = of_kind.first().map_or("", |sample| sample.kind.title());
        println!(
            "\n| {title} | bodies | KB each | µs a body | MB/s | into `Value`, µs | times as fast |"
        );
        println!("|---|---|---|---|---|---|---|");
        for of_dialect in of_kind.chunk_by(|one, other| one.dialect == other.dialect) {
            row(of_dialect, rounds);
        }
    }
}

fn row(samples: &[Sample], rounds: usize) {
    let bytes: usize = samples.iter().map(|sample| sample.bytes.len()).sum();
    let repeats = (ROUND_BYTES / bytes.max(1)).max(1);
    let bodies = (samples.len() * repeats) as f64;
    let time = |work: fn(&Sample)| {
        let started = Instant::now();
        for sample in (0..repeats).flat_map(|_| samples) {
            work(sample);
        }
        started.elapsed().as_secs_f64() * 1e6 / bodies
    };
    let (mut hearing, mut parsing) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        hearing.push(time(Sample::hear));
        parsing.push(time(Sample::parse));
    }
    let (hearing, parsing) = (median(hearing), median(parsing));
    let each = bytes as f64 / samples.len() as f64;
    println!(
        "| {} | {} | {:.1} | {hearing:.1} | {:.0} | {parsing:.1} | {:.2} |",
        samples.first().map_or("", |sample| &sample.dialect),
        samples.len(),
        each / 1024.0,
        each / hearing,
        parsing / hearing,
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
