//! What it costs a writer to find out which messages are new.
//!
//! `cargo bench --bench threading [-- <rounds>]`
//!
//! Clients send all that was said with every request. Where the writer's time goes is read off the
//! recorder's own counters; beside it, in the same round, stands the time that it takes to parse the
//! same requests into a `Value`. Rows go into an SQLite file.

mod shape;
mod tally;

#[path = "../writer/text.rs"]
mod text;

use std::env;

use shape::{SHAPES, Shape};
use tally::Tally;
use tower_recording::RecordingLayer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;

fn main() {
    let rounds = env::args().find_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.unwrap_or(ROUNDS);
    println!("µs an exchange, medians of {rounds} rounds\n");
    println!(
        "| history | request | decoded | threaded | written | threading of the writer's time | of parsing the request into a `Value` |"
    );
    println!("|---|---|---|---|---|---|---|");
    for shape in SHAPES {
        let mut tallies: Vec<Tally> = (0..rounds).map(|_| round(&shape)).collect();
        println!("{}", Tally::median(&mut tallies).row(&shape));
    }
}

fn round(shape: &Shape) -> Tally {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("conversations.db");
    let layer = RecordingLayer::new(format!("sqlite:{}", file.display()));
    let talks = shape.talks();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(talks.hold(&layer));
    let metrics = layer.recorder().metrics();
    assert_eq!(metrics.written, metrics.accepted, "void: {metrics:?}");
    assert_eq!(metrics.shed_bytes, 0, "void: {metrics:?}");
    Tally::new(&metrics, talks.parse())
}
