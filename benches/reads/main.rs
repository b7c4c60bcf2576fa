//! How fast people read from many days of partitions, beside one table with the same rows.
//!
//! `cargo bench --bench reads [-- [--rows <number>] [--days 400] [--samples 1000] [--rounds 10] [postgres] [mysql] [sqlite]]`
//!
//! By default 10 million short rows on PostgreSQL and a million on the others, over 400 days, the
//! last of which is today. Two databases hold the same: one has a table a day, the other one table,
//! which is the store's other mode, with the same indexes. Three are asked in turn, each time the
//! same: the store over the days, the store over the one table, and the one table by plain SQL, on
//! a connection of its own and by statements that are prepared. The store's answers have to be equal.
//!
//! Then 32 clients ask at once, each about users by chance, and again when all have their answers, round by
//! round. What an answer takes is counted from the moment at which all ask. Three are asked:
//! - the history API over the days, in this process: routes, permissions, turns and JSON, no socket;
//! - the same database by plain SQL, each client on a connection of its own, which knows what the schema
//!   offers: the days and the counts that stand with a conversation, `usage_daily`, and which days are open.
//!   It asks PostgreSQL's parent with the times that a conversation lies between, in prepared statements without
//!   JIT, with custom plans for a few days and generic ones for more, as either is faster; in SQLite and MySQL
//!   it puts the tables of those days together in one statement, made for each question. To this the API
//!   has its goal;
//! - the one table by plain SQL, in prepared statements.
//!
//! In the first round, which is not counted, their answers have to have the same number of rows, which is
//! also the store's own.

#[path = "../writer/backend.rs"]
#[allow(dead_code, reason = "the other program counts statements")]
mod backend;
#[path = "../writer/cells.rs"]
mod cells;
mod clients;
#[path = "../writer/clock.rs"]
#[allow(dead_code, reason = "the other program writes as time goes by")]
mod clock;
#[path = "../writer/cores.rs"]
#[allow(dead_code, reason = "the other program looks at the cores")]
mod cores;
mod fill;
#[path = "../writer/ids.rs"]
mod ids;
#[path = "../writer/limit/mod.rs"]
#[allow(dead_code, reason = "the other program names it")]
mod limit;
#[path = "../../tests/integration/servers/mariadb.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod mariadb;
mod past;
mod plain;
#[path = "../../tests/integration/servers/postgres.rs"]
#[allow(dead_code, reason = "the stores' own tests use the rest")]
mod postgres;
mod question;
mod report;
mod route;
mod settings;

use std::time::Instant;

use rand::{SeedableRng, rngs::SmallRng};
use tokio::runtime::{Builder, Runtime};

use backend::{Backend, Server};
use clients::Askers;
use clock::unix_millis;
use fill::Filled;
use past::Past;
use plain::{Messages, Plain};
use question::Kind;
use report::{Crowd, Report, Times};
use route::{Asked, Route};
use settings::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asked before anything is timed, and their answers compared.
const WARM_UP: usize = 50;

fn main() {
    let settings = Settings::from_args();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut report = Report::default();
    for backend in &settings.backends {
        measure(*backend, &settings, &runtime, &mut report);
    }
    report.print();
}

fn measure(backend: Backend, settings: &Settings, runtime: &Runtime, report: &mut Report) {
    let server = Server::start(backend, runtime);
    let rows = settings.rows(backend);
    println!("\n{backend}: {rows} rows over {} days", settings.days);
    let past = Past::new(rows, settings.days, unix_millis());
    let [days, table] = [server.database(runtime), server.database(runtime)];
    let days = Filled::new(&days, runtime, &past, true);
    let table = Filled::new(&table, runtime, &past, false);
    let mut plain = runtime.block_on(Plain::new(table.database, Messages::InOneTable));
    let mut random = SmallRng::seed_from_u64(2);
    report.begin(backend);
    for kind in Kind::ALL {
        let mut times = Times::default();
        for number in 0..WARM_UP + settings.samples {
            let question = kind.draw(&past, &mut random);
            let warm = number >= WARM_UP;
            runtime.block_on(async {
                let began = Instant::now();
                let of_days = question.ask(&*days.store).await;
                let took_days = began.elapsed();
                let began = Instant::now();
                let of_table = question.ask(&*table.store).await;
                let took_table = began.elapsed();
                let began = Instant::now();
                plain.ask(&question).await;
                let took_plain = began.elapsed();
                let [of_days, of_table] =
                    [of_days, of_table].map(|answer| answer.expect("an answer"));
                if warm {
                    times.add(took_days, took_table, took_plain);
                } else {
                    assert_eq!(of_days, of_table, "{}", kind.name());
                }
            });
        }
        report.add(backend, kind, &times);
    }
    ask_at_once(
        backend,
        settings,
        runtime,
        report,
        (&past, &mut random),
        [&days, &table],
    );
    days.shut_down(runtime);
    table.shut_down(runtime);
}

/// Has all clients ask at once.
fn ask_at_once(
    backend: Backend,
    settings: &Settings,
    runtime: &Runtime,
    report: &mut Report,
    (past, random): (&Past, &mut SmallRng),
    [days, table]: [&Filled<'_>; 2],
) {
    let api = route::api(days.recorder());
    let mut by_day = Askers::new(days.database, Messages::ByDay);
    let mut in_one = Askers::new(table.database, Messages::InOneTable);
    report.begin_crowd(backend);
    for route in Route::ALL {
        let mut crowd = Crowd::default();
        // The first round warms up.
        for round in 0..=settings.rounds {
            let waves = clients::waves(|| Asked::draw(route, past, random));
            let of_table = in_one.ask(&waves);
            let of_days = by_day.ask(&waves);
            let of_api = runtime.block_on(clients::ask_api(&api, &waves));
            if round > 0 {
                crowd.add(of_api, &of_days, &of_table);
                continue;
            }
            for (asked, (of_days, of_table)) in
                waves.iter().flatten().zip(of_days.iter().zip(&of_table))
            {
                let answer = runtime.block_on(asked.question.ask(&*days.store));
                let rows = answer.expect("an answer").rows().unwrap_or(of_table.1);
                assert_eq!([of_days.1, of_table.1], [rows; 2], "{}", route.name());
            }
        }
        report.add_crowd(backend, route, &crowd);
    }
}
