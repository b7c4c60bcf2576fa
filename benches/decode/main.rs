//! What it costs to read an exchange, for each dialect, beside what it costs to parse the same bytes into
//! `serde_json::Value`: the whole document, or every event of a stream.
//!
//! `cargo bench --bench decode [-- <rounds>]`. Recorded traffic is read from the folder that `TEST_CORPUS`
//! names, else from `../shared/corpus`; where there is none, only the shapes that are made here are.

mod corpus;
mod made;

use std::{env, hint::black_box, time::Instant};

use serde_json::Value;
use tower_recording::internals::{Body, hear};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 15;
/// Each round reads at least so much, so that the clock is read seldom.
const ROUND_BYTES: usize = 2 << 20;

/// One exchange, and the documents in it.
struct Sample {
    dialect: String,
    path: String,
    status: u16,
    request: Vec<u8>,
    response: Vec<u8>,
    content_type: String,
    /// What would have to be parsed to read it.
    documents: Vec<Vec<u8>>,
}

impl Sample {
    fn bytes(&self) -> usize {
        self.request.len() + self.response.len()
    }

    fn hear(&self) {
        let request = Body {
            content_type: "application/json",
            bytes: &self.request,
            ..Body::default()
        };
        let response = Body {
            content_type: &self.content_type,
            bytes: &self.response,
            ..Body::default()
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
    let rounds = env::args().find_map(|argument| argument.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    println!("medians of {rounds} rounds\n");
    println!(
        "| dialect | exchanges | KB each | µs an exchange | MB/s | into `Value`, µs | times as fast |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut samples = made::samples();
    samples.extend(corpus::samples());
    for of_dialect in samples.chunk_by(|one, other| one.dialect == other.dialect) {
        row(of_dialect, rounds);
    }
}

fn row(samples: &[Sample], rounds: usize) {
    let bytes: usize = samples.iter().map(Sample::bytes).sum();
    let repeats = (ROUND_BYTES / bytes.max(1)).max(1);
    let exchanges = (samples.len() * repeats) as f64;
    let time = |work: fn(&Sample)| {
        let started = Instant::now();
        for sample in (0..repeats).flat_map(|_| samples) {
            work(sample);
        }
        started.elapsed().as_secs_f64() * 1e6 / exchanges
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
