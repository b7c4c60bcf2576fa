//! How fast rows get into each database: by its own fastest way, by the store, and by the whole
//! pipeline from a request on.
//!
//! `cargo bench --bench writer [-- [--seconds 60] [--burst 5] [--days 400] [--close-rows 1000000] [postgres] [mysql] [sqlite]]`
//!
//! Rows are of about 1 KB, two an exchange, and one exchange of four begins a conversation. The limit
//! writes messages into the day's table in transactions of 500, with its indexes and nothing else:
//! `COPY … BINARY` on PostgreSQL, `LOAD DATA LOCAL INFILE` on MySQL and MariaDB, a loop over a
//! prepared statement on SQLite. The store is fed with ready batches of the same rows. The pipeline
//! serves exchanges through the layer in this process, as many as can be recorded, and not one is
//! dropped.
//!
//! The arms run in turn on one table, round by round, so that a noisy machine and a growing index
//! strike all alike; ratios are taken within a round. At the end every row is counted. Servers are
//! started for the purpose, unless `TEST_POSTGRES_DSN` or `TEST_MYSQL_DSN` names one.

mod backend;
mod cells;
mod clock;
mod closing;
mod cores;
mod ids;
mod lanes;
mod limit;
#[path = "../../tests/integration/servers/mariadb.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod mariadb;
#[path = "../../tests/integration/servers/postgres.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod postgres;
mod race;
mod report;
mod rows;
mod samples;
mod settings;
mod speakers;
mod talk;
mod text;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use backend::{Backend, Server};
use race::{Race, Stock};
use report::Report;
use settings::Settings;
use talk::Talk;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUSTAINED_ROUNDS: u32 = 12;
const BURST_ROUNDS: u32 = 5;

fn main() {
    let settings = Settings::from_args();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let talk = Talk::new(1);
    let stock = Stock {
        rows: talk.rows(),
        talk,
    };
    let mut report = Report::default();
    for backend in &settings.backends {
        measure(*backend, &settings, &runtime, &stock, &mut report);
    }
    report.print();
}

/// How the arms run on one database.
struct Run {
    name: &'static str,
    writers: usize,
    /// Days that are there beside today.
    days: u32,
    rounds: u32,
    time: Duration,
}

fn measure(
    backend: Backend,
    settings: &Settings,
    runtime: &Runtime,
    stock: &Stock,
    report: &mut Report,
) {
    let server = Server::start(backend, runtime);
    for run in runs(settings) {
        let database = server.database(runtime);
        let mut race = Race::new(&database, runtime, stock, run.writers);
        race.begin_days(stock, run.days);
        let samples = race.run(run.rounds, run.time / run.rounds);
        let statements = race.statements_a_batch();
        let bytes = race.finish();
        report.add(backend, run.name, &samples, statements, bytes);
    }
    if settings.close_rows > 0 {
        let database = server.database(runtime);
        let closing = closing::close(&database, runtime, stock, settings.close_rows);
        report.add_closing(backend, &closing);
    }
}

fn runs(settings: &Settings) -> Vec<Run> {
    let burst = |name, writers| Run {
        name,
        writers,
        days: 0,
        rounds: BURST_ROUNDS,
        time: settings.burst,
    };
    let sustained = |name, writers, days| Run {
        name,
        writers,
        days,
        rounds: SUSTAINED_ROUNDS,
        time: settings.seconds,
    };
    let mut runs = vec![
        burst("burst, 1 writer", 1),
        sustained("sustained, 1 writer", 1, 0),
        burst("burst, 2 writers", 2),
        sustained("sustained, 2 writers", 2, 0),
    ];
    if settings.days > 0 {
        runs.push(sustained("many days, 1 writer", 1, settings.days));
    }
    runs
}
