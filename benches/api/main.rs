//! How fast the history API answers many clients at once, beside the plain SQL of the same reads.
//!
//! `cargo bench --bench api [-- [--rows 1000000] [--days 400] [--rounds 10] [postgres] [mysql] [sqlite]]`
//!
//! Two databases hold the same short messages: one has a table a day, and the API reads it; the other one
//! table, which is asked by plain SQL. 32 clients ask as fast as they are answered, each for users of its own
//! choice: all of them the API, in this process (routes, permissions, turns and JSON, no socket), then all of
//! them the table, each on a connection of its own, round by round.

#[path = "../writer/backend.rs"]
#[allow(dead_code, reason = "the other programs count statements")]
mod backend;
#[path = "../writer/cells.rs"]
mod cells;
mod clients;
#[path = "../writer/clock.rs"]
#[allow(dead_code, reason = "the other programs write as time goes by")]
mod clock;
#[path = "../writer/cores.rs"]
#[allow(dead_code, reason = "the other programs look at the cores")]
mod cores;
#[path = "../reads/fill.rs"]
#[allow(dead_code, reason = "the other program asks the store itself")]
mod fill;
#[path = "../writer/ids.rs"]
mod ids;
#[path = "../writer/limit/mod.rs"]
#[allow(dead_code, reason = "the other programs name it")]
mod limit;
#[path = "../../tests/integration/servers/mariadb.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod mariadb;
#[path = "../reads/past.rs"]
mod past;
#[path = "../reads/plain.rs"]
mod plain;
#[path = "../../tests/integration/servers/postgres.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod postgres;
#[path = "../reads/question.rs"]
#[allow(dead_code, reason = "the other program asks the store itself")]
mod question;
mod route;

use std::{env, process};

use rand::{SeedableRng, rngs::SmallRng};
use tokio::runtime::{Builder, Runtime};

use backend::{Backend, Server};
use clients::{Askers, CLIENTS, REQUESTS, ask_api};
use clock::unix_millis;
use fill::Filled;
use past::Past;
use route::{Asked, Route};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "cargo bench --bench api [-- [--rows 1000000] [--days 400] [--rounds 10] \
     [postgres] [mysql] [sqlite]]";
/// How much slower than plain SQL the API may be in the median.
const MOST: f64 = 2.0;

struct Settings {
    rows: usize,
    days: usize,
    rounds: usize,
    backends: Vec<Backend>,
}

fn main() {
    let settings = settings();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    println!("| database, {CLIENTS} clients | API, p50 and p99 in ms | SQL | p50 of SQL |");
    println!("|---|---|---|---|");
    for backend in &settings.backends {
        measure(*backend, &settings, &runtime);
    }
}

fn measure(backend: Backend, settings: &Settings, runtime: &Runtime) {
    let server = Server::start(backend, runtime);
    let past = Past::new(settings.rows, settings.days, unix_millis());
    let [days, table] = [server.database(runtime), server.database(runtime)];
    let days = Filled::new(&days, runtime, &past, true);
    let table = Filled::new(&table, runtime, &past, false);
    let api = route::api(days.recorder());
    let mut askers = Askers::new(table.database);
    let mut random = SmallRng::seed_from_u64(3);
    for route in Route::ALL {
        let (mut by_api, mut by_sql) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=settings.rounds {
            let mut draw = || Asked::draw(route, &past, &mut random);
            let asked: Vec<Vec<Asked>> = (0..CLIENTS)
                .map(|_| (0..REQUESTS).map(|_| draw()).collect())
                .collect();
            let of_sql = askers.ask(&asked);
            let of_api = runtime.block_on(ask_api(&api, asked));
            if round > 0 {
                by_api.extend(of_api);
                by_sql.extend(of_sql);
            }
        }
        let [api, sql] = [by_api, by_sql].map(|times| [at(&times, 0.5), at(&times, 0.99)]);
        let ratio = api[0] / sql[0];
        let verdict = if ratio <= MOST { "met" } else { "MISSED" };
        println!(
            "| {backend}, {} | {:.2}, {:.2} | {:.2}, {:.2} | {ratio:.2}, goal {MOST}: {verdict} |",
            route.name(),
            api[0],
            api[1],
            sql[0],
            sql[1],
        );
    }
    days.shut_down(runtime);
    table.shut_down(runtime);
}

/// The value that this part of all lies at or below.
fn at(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * part) as usize).min(values.len() - 1)]
}

/// Reads the command line; what it does not know ends the program.
fn settings() -> Settings {
    let mut settings = Settings {
        rows: 1_000_000,
        days: 400,
        rounds: 10,
        backends: Vec::new(),
    };
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let number = arguments.next().and_then(|number| number.parse().ok());
            number.unwrap_or_else(|| usage())
        };
        match argument.as_str() {
            // cargo's own.
            "--bench" => {}
            "--rows" => settings.rows = number(),
            "--days" => settings.days = number(),
            "--rounds" => settings.rounds = number(),
            name => match Backend::named(name) {
                Some(backend) => settings.backends.push(backend),
                None => usage(),
            },
        }
    }
    if settings.backends.is_empty() {
        settings.backends = Backend::ALL.to_vec();
    }
    settings
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    process::exit(2)
}
