//! What recording costs a server on real connections, beside other layers.
//!
//! `cargo bench --bench loopback [-- <rounds> <arm>…]`
//!
//! Each arm is a process of its own, a hyper server with its recorder's threads on one core; the
//! load comes from another process on another core. Arms are run round by round, in an order that
//! changes, so that a noisy machine strikes all alike and none always follows the same other; of each
//! round the ratio to the bare server counts. A sample of the arm `discard` in which anything was
//! dropped is void and run again.

mod arms;
mod child;
mod load;
mod server;
mod store;
mod traffic;

use std::{env, thread, time::Duration};

use rand::{SeedableRng, rngs::SmallRng, seq::SliceRandom};

use arms::{ARMS, Arm, Counts};
use child::{Child, answer};
use traffic::Kind;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Frames of a streamed answer.
const FRAMES: usize = 150;
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_secs(2);
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;
/// Of a sample in which something was dropped.
const ATTEMPTS: usize = 3;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve", arm, dsn] => serve(arm, dsn),
        ["load", address, kind] => load(address, kind),
        _ => compare(
            arguments
                .iter()
                .find_map(|rounds| rounds.parse().ok())
                .unwrap_or(ROUNDS),
            &named(&arguments),
        ),
    }
}

/// The arms that are named, or all, the bare one always.
fn named(arguments: &[&str]) -> Vec<&'static str> {
    let any = ARMS.iter().any(|arm| arguments.contains(arm));
    let wanted = |arm: &&str| !any || *arm == ARMS[0] || arguments.contains(arm);
    ARMS.into_iter().filter(wanted).collect()
}

fn serve(arm: &str, dsn: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut arm = runtime.block_on(Arm::start(arm, dsn));
    println!("{}", arm.address);
    answer(|_| {
        let [accepted, written, dropped] = runtime.block_on(arm.counts());
        format!("{accepted} {written} {dropped}")
    });
}

fn load(address: &str, kind: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let kind = Kind::named(kind).expect("a kind");
    let whole = match kind {
        Kind::Json => traffic::reply().to_vec(),
        Kind::Sse => traffic::events(FRAMES).concat(),
    };
    let address = address.parse().expect("an address");
    let run = load::run(address, kind, &whole, WARM_UP, MEASURED);
    println!("{}", runtime.block_on(run));
}

/// One arm's samples of one kind.
#[derive(Default)]
struct Samples {
    a_second: Vec<f64>,
    /// How much of its core the server had while it was loaded.
    busy: Vec<f64>,
    counts: Counts,
    void: usize,
}

fn compare(rounds: usize, arms: &[&str]) {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        println!("skipped: the server and its load need a core each");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let dsn = format!("sqlite:{}", folder.path().join("loopback.db").display());
    let mut servers: Vec<(String, Child)> = arms
        .iter()
        .map(|arm| {
            let mut child = Child::start(Some(SERVER_CORE), &["serve", arm, &dsn]);
            (child.line(), child)
        })
        .collect();
    let mut chance = SmallRng::seed_from_u64(1);
    for kind in Kind::ALL {
        let mut samples: Vec<Samples> = arms.iter().map(|_| Samples::default()).collect();
        let mut turns: Vec<usize> = (0..arms.len()).collect();
        for _ in 0..rounds {
            turns.shuffle(&mut chance);
            for &which in &turns {
                let (address, server) = &mut servers[which];
                samples[which].take(arms[which], kind, address, server);
            }
        }
        report(kind, rounds, arms, &samples);
    }
}

impl Samples {
    /// How long the server was on its core for a request: it holds where others take the core.
    fn core_micros(&self) -> Vec<f64> {
        let samples = self.busy.iter().zip(&self.a_second);
        samples
            .map(|(busy, a_second)| busy / a_second * 1e6)
            .collect()
    }

    fn take(&mut self, arm: &str, kind: Kind, address: &str, server: &mut Child) {
        for _ in 0..ATTEMPTS {
            let mut load = Child::start(Some(LOAD_CORE), &["load", address, kind.name()]);
            let before = server.core_seconds();
            let a_second = load.line().parse().expect("a number");
            let busy = (server.core_seconds() - before) / (WARM_UP + MEASURED).as_secs_f64();
            let counts: Vec<u64> = server
                .ask("counts")
                .split(' ')
                .filter_map(|count| count.parse().ok())
                .collect();
            for (sum, count) in self.counts.iter_mut().zip(&counts) {
                *sum += count;
            }
            if arm == "discard" && counts.last() != Some(&0) {
                self.void += 1;
                continue;
            }
            self.a_second.push(a_second);
            self.busy.push(busy);
            return;
        }
        panic!("void: the arm {arm} dropped exchanges {ATTEMPTS} times");
    }
}

fn report(kind: Kind, rounds: usize, arms: &[&str], samples: &[Samples]) {
    println!(
        "\n{}: {} connections, {rounds} rounds in turn, medians",
        match kind {
            Kind::Json => "JSON, 1 KB -> 2 KB".to_owned(),
            Kind::Sse => format!("SSE, {FRAMES} frames of about 150 bytes"),
        },
        load::CONNECTIONS
    );
    println!(
        "  {:<12} {:>10} {:>8} {:>15} {:>5} {:>10} {:>10} {:>10} {:>10}",
        "",
        "requests/s",
        "of bare",
        "(least, most)",
        "core",
        "core µs",
        "accepted",
        "written",
        "dropped"
    );
    let Some(bare) = samples.first() else { return };
    for (arm, samples) in arms.iter().zip(samples) {
        let mut ratios: Vec<f64> = samples
            .a_second
            .iter()
            .zip(&bare.a_second)
            .map(|(ours, bare)| ours / bare)
            .collect();
        let ratio = median(&mut ratios);
        let spread = format!("({:.2}, {:.2})", ratios[0], ratios[ratios.len() - 1]);
        let [accepted, written, dropped] = samples.counts;
        let void = match samples.void {
            0 => String::new(),
            void => format!("   {void} samples void and run again"),
        };
        println!(
            "  {arm:<12} {:>10.0} {ratio:>8.3} {spread:>15} {:>4.0}% {:>10.2} {accepted:>10} {written:>10} {dropped:>10}{void}",
            median(&mut samples.a_second.clone()),
            median(&mut samples.busy.clone()) * 100.0,
            median(&mut samples.core_micros()),
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
