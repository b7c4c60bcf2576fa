//! What goes wrong with a database, and that no exchange is lost or stands twice for it.
//!
//! Everything runs through the whole pipeline: layer, writer, store, database. Each test is one
//! body, run once on each database to which the fault can happen.

/// Runs a test once on each of these databases.
macro_rules! on_each {
    ([$($database:ident),+] $test:ident) => {
        mod $test {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $database() {
                    super::$test::<crate::faults::backend::$database::Place>().await;
                }
            )+
        }
    };
}

mod audit;
mod backend;
mod clock;
mod process;
mod traffic;
mod volume;
mod wire;

mod cuts;
mod dropped;
mod full;
mod kills;
mod locks;
mod midnight;
mod poison;
mod read_only;
mod rights;
mod same_day;
mod starts;
mod together;
