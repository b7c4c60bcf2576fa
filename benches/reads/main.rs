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
//! Then 32 clients ask at once, each about users by chance, and again when all have their answers: the history
//! API over the days, in this process (routes, permissions, turns and JSON, no socket), and the one table by
//! plain SQL, each on a connection of its own, round by round. What an answer takes is counted from the moment
//! at which all ask.

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
use plain::Plain;
use question::Kind;
use report::{Report, Times};
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
    let mut plain = runtime.block_on(Plain::new(table.database));
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
    let api = route::api(days.recorder());
    let mut askers = Askers::new(table.database);
    report.begin_crowd(backend);
    for route in Route::ALL {
        let (mut by_api, mut by_sql) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=settings.rounds {
            let waves = clients::waves(|| Asked::draw(route, &past, &mut random));
            let of_sql = askers.ask(&waves);
            let of_api = runtime.block_on(clients::ask_api(&api, &waves));
            if round > 0 {
                by_api.extend(of_api);
                by_sql.extend(of_sql);
            }
        }
        report.add_crowd(backend, route, &by_api, &by_sql);
    }
    days.shut_down(runtime);
    table.shut_down(runtime);
}
