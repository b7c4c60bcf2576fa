//! Processes that are killed under load: the database's server, and the recorder's own.

use super::{
    audit::{assert_counted, assert_stored, stored},
    backend::{Backend, Served},
    process::Process,
    traffic::{Traffic, text},
};

const CLIENTS: usize = 4;
/// Several batches.
const ENOUGH: u64 = 200;

on_each!([postgres, mariadb] a_server_killed_under_load_loses_nothing);
async fn a_server_killed_under_load_loses_nothing<B: Served>() {
    let mut place = B::alone().await;
    let traffic = Traffic::into(&place.dsn());
    let flow = traffic.flow("talk", CLIENTS);
    traffic.until_written(ENOUGH).await;
    place.kill();
    let retries = traffic.metrics().retries;
    traffic.until(|metrics| metrics.retries > retries).await;
    place.run();
    traffic.until_written(ENOUGH).await;
    flow.stop().await;
    assert_stored(&place, &traffic.written().await).await;
}

on_each!([sqlite, postgres, mariadb] what_was_flushed_before_a_kill_stands_once);
async fn what_was_flushed_before_a_kill_stands_once<B: Backend>() {
    let place = B::new().await;
    let mut flushed = Vec::new();
    for life in ["first", "second", "third"] {
        let mut recorder = Process::start(&place.dsn()).await;
        recorder.begin().await;
        recorder.tell(&format!("talk {life}")).await;
        let mut told = Vec::new();
        for _ in 0..ENOUGH / 20 {
            told.push(recorder.answer().await);
        }
        told.extend(recorder.kill().await);
        let last = told.last().and_then(|told| told.strip_suffix(" flushed"));
        let last: usize = last.expect("an answer").parse().expect("a number");
        flushed.extend((0..last).map(|number| text(life, number)));
    }
    let stored = stored(&place).await;
    let lost: Vec<_> = flushed
        .iter()
        .filter(|text| !stored.contains(*text))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_counted(&place).await;
}
