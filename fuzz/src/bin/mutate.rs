//! Damaged inputs in a row, as fast as they are read: `mutate <exchange|identity> <folder> <executions> [<seed>]`.
//!
//! Inputs are the files of the folder and bytes by chance. One that fails, or takes a second, is written to
//! `failed-<target>`; the seed that is printed makes the same inputs again.

use std::{
    env, fs,
    panic::catch_unwind,
    process::ExitCode,
    time::{Duration, Instant},
};

use fastrand::Rng;
use tower_recording_fuzz::{CHOICES, exchange, identity};

/// What means something to one of the readers.
const WORDS: [&str; 28] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "true",
    "-1e999",
    "99999999999999999999",
    "\n\n",
    "\r",
    "data:",
    "event: error\n",
    "\0",
    "␛",
    "\\ud800",
    "\\u0000",
    "\"index\":",
    "\"choices\":",
    "\"type\":",
    "\"content\":",
    "\"partialArgs\":",
    "[DONE]",
    "\u{feff}",
    "\"error\":",
];
const MAX_BYTES: usize = 8 << 10;
const SLOW: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let [_, target, folder, executions, seed @ ..] = arguments.as_slice() else {
        eprintln!("mutate <exchange|identity> <folder> <executions> [<seed>]");
        return ExitCode::FAILURE;
    };
    let read: fn(&[u8]) = match target.as_str() {
        "identity" => identity,
        _ => exchange,
    };
    let executions: u64 = executions.parse().unwrap_or_default();
    let seed = seed.first().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..));
    let mut samples: Vec<Vec<u8>> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::read(entry.path()).ok())
        .filter(|sample| sample.len() <= MAX_BYTES)
        .collect();
    samples.push(Vec::new());
    samples.sort();
    println!("{} inputs, seed {seed}", samples.len());
    let (mut random, begun) = (Rng::with_seed(seed), Instant::now());
    for execution in 0..executions {
        let input = input(&samples, &mut random);
        let started = Instant::now();
        let failed = catch_unwind(|| read(&input)).is_err();
        if failed || started.elapsed() > SLOW {
            let file = format!("failed-{target}");
            println!("execution {execution}: see {file}, {:?}", started.elapsed());
            let _ = fs::write(file, &input);
            return ExitCode::FAILURE;
        }
    }
    println!(
        "{executions} executions of {target} in {:?}",
        begun.elapsed()
    );
    ExitCode::SUCCESS
}

/// A sample, damaged a few times.
fn input(samples: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let one = |random: &mut Rng| &samples[random.usize(..samples.len())];
    let mut input = one(random).clone();
    for _ in 0..random.usize(..6) {
        let from = random.usize(..=input.len());
        let to = (from + random.usize(..40)).min(input.len());
        match random.u8(..6) {
            0 => drop(input.drain(from..to)),
            1 => {
                let word = WORDS[random.usize(..WORDS.len())];
                drop(input.splice(from..to, word.bytes()));
            }
            2 => {
                let bytes: Vec<u8> = (0..random.usize(..8)).map(|_| random.u8(..)).collect();
                drop(input.splice(from..from, bytes));
            }
            3 => {
                let again = input[from..to].to_vec();
                drop(input.splice(from..from, again));
            }
            4 => {
                let other = one(random);
                let begin = random.usize(..=other.len());
                let end = (begin + random.usize(..400)).min(other.len());
                drop(input.splice(from..to, other[begin..end].iter().copied()));
            }
            _ => input.truncate(from.max(CHOICES)),
        }
    }
    // Any dialect may come with any body.
    if random.bool() {
        let chosen = random.usize(..CHOICES);
        if let Some(byte) = input.get_mut(chosen) {
            *byte = random.u8(..);
        }
    }
    input
}
