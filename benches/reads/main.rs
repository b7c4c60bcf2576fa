//! How fast people read from many days of partitions, beside one table with the same rows.
//!
//! `cargo bench --bench reads [-- [--rows <number>] [--days 400] [--samples 1000] [postgres] [mysql] [sqlite]]`
//!
//! By default 10 million short rows on PostgreSQL and a million on the others, over 400 days, the
//! last of which is today. Two databases hold the same: one has a table a day, the other one table,
//! which is the store's other mode, with the same indexes. Three are asked in turn, each time the
//! same: the store over the days, the store over the one table, and the one table by plain SQL, on
//! a connection of its own and by statements that are prepared. The store's answers have to be equal.

#[path = "../writer/backend.rs"]
#[allow(dead_code, reason = "the other program counts statements")]
mod backend;
#[path = "../writer/cells.rs"]
mod cells;
#[path = "../writer/clock.rs"]
#[allow(dead_code, reason = "the other program writes as time goes by")]
mod clock;
#[path = "../writer/cores.rs"]
#[allow(dead_code, reason = "the other program looks at the cores")]
mod cores;
#[allow(dead_code, reason = "the other program reads by the API")]
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
mod settings;

use std::time::Instant;

use rand::{SeedableRng, rngs::SmallRng};
use tokio::runtime::{Builder, Runtime};

use backend::{Backend, Server};
use clock::unix_millis;
use fill::Filled;
use past::Past;
use plain::Plain;
use question::Kind;
use report::{Report, Times};
use settings::Settings;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asked before anything is timed, and their answers compared.
const WARM_UP: usize = 50;

fn main() {
    let settings = Settings::from_args();
    let runtime = Builder::new_current_thread()
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
    let [days, table] = [true, false].map(|daily| (server.database(runtime), daily));
    let days = Filled::new(&days.0, runtime, &past, true);
    let table = Filled::new(&table.0, runtime, &past, false);
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
    days.shut_down(runtime);
    table.shut_down(runtime);
}
