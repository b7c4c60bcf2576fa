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

use std::{env, ops::Range};

use shape::{SHAPES, Shape};
use tally::Tally;
use tower_recording::{Metrics, RecordingLayer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;

fn main() {
    let rounds = env::args().find_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.unwrap_or(ROUNDS);
    println!("µs an exchange, medians of {rounds} rounds\n");
    println!(
        "| | messages | request | decoded | threaded | rows made | written | threading of the writer's time | of parsing the request into a `Value` |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for shape in SHAPES {
        let (mut first, mut later): (Vec<_>, Vec<_>) = (0..rounds).map(|_| round(&shape)).unzip();
        for (name, tallies) in [("the first turn", &mut first), ("a later one", &mut later)] {
            println!("{}", Tally::median(tallies).row(name));
        }
    }
}

/// The first turn of all conversations, whose past is asked for, and those after it.
fn round(shape: &Shape) -> (Tally, Tally) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("conversations.db");
    let layer = RecordingLayer::new(format!("sqlite:{}", file.display()));
    let talks = shape.talks();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let tally = |before: &Metrics, turns: Range<usize>| {
        runtime.block_on(talks.hold(&layer, turns.clone()));
        let after = layer.recorder().metrics();
        assert_eq!(after.written, after.accepted, "void: {after:?}");
        assert_eq!(after.shed_bytes, 0, "void: {after:?}");
        let request = shape.request(turns.start.midpoint(turns.end));
        let tally = Tally::new(before, &after, talks.parse(turns), request);
        (tally, after)
    };
    let (first, before) = tally(&Metrics::default(), 0..1);
    let (later, _) = tally(&before, 1..talks.turns());
    (first, later)
}
