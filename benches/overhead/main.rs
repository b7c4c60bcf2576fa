//! What recording adds to a request, in process: no socket, no database, one service.
//!
//! `cargo bench --bench overhead`
//!
//! Each arm serves the same exchanges in chunks; only serving is timed. Between chunks the
//! recorders catch up, so that nothing is dropped: a sample in which something was is void, and
//! the run fails. After criterion's own estimates, arms are run round by round, and what each adds
//! over the bare service is printed, so that a noisy machine strikes all alike. The order changes from
//! round to round: what follows an arm pays for the cache that it left, and for what it still does.

mod arms;
mod traffic;
mod upstream;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use rand::{SeedableRng, rngs::SmallRng, seq::SliceRandom};

use arms::{Arm, all};
use traffic::{Exchange, exchanges};

const ROUNDS: usize = 101;

fn criterion_arms(criterion: &mut Criterion) {
    let runtime = runtime();
    for exchange in exchanges() {
        let mut group = criterion.benchmark_group(exchange.name);
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        for mut arm in all(exchange) {
            group.bench_function(arm.name, |bencher| {
                bencher.iter_custom(|times| {
                    let mut total = Duration::ZERO;
                    let mut left = times;
                    while left > 0 {
                        let now = left.min(exchange.chunk);
                        total += black_box(arm.serve(&runtime, now));
                        left -= now;
                    }
                    total
                });
            });
            arm.assert_nothing_dropped();
        }
        group.finish();
    }
}

fn in_turn(_: &mut Criterion) {
    let runtime = runtime();
    let mut chance = SmallRng::seed_from_u64(1);
    for exchange in exchanges() {
        let mut arms = all(exchange);
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); arms.len()];
        let mut turns: Vec<usize> = (0..arms.len()).collect();
        for round in 0..=ROUNDS {
            turns.shuffle(&mut chance);
            for &which in &turns {
                let spent = arms[which].serve(&runtime, exchange.chunk);
                if round > 0 {
                    times[which].push(spent.as_nanos() as f64 / exchange.chunk as f64);
                }
            }
        }
        report(&exchange, &arms, &times);
        for arm in &arms {
            arm.assert_nothing_dropped();
        }
    }
}

fn report(exchange: &Exchange, arms: &[Arm], times: &[Vec<f64>]) {
    println!(
        "\n{}: added over the bare service, {ROUNDS} rounds",
        exchange.name
    );
    let bare = &times[0];
    println!("  {:<26} {:>9.0} ns", "bare", median(bare));
    for (arm, times) in arms.iter().zip(times).skip(1) {
        let added = median(
            &times
                .iter()
                .zip(bare)
                .map(|(time, bare)| time - bare)
                .collect::<Vec<_>>(),
        );
        let per_frame = if exchange.frames > 1 {
            format!("{:>8.1} ns a frame", added / exchange.frames as f64)
        } else {
            String::new()
        };
        println!(
            "  {:<26} {added:>9.0} ns an exchange {per_frame}   {}",
            arm.name,
            arm.counts()
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

criterion_group!(benches, criterion_arms, in_turn);
criterion_main!(benches);
