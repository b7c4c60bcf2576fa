//! Long conversations whose client sends everything each time, over each database.

mod client;
mod counted;
mod gateway;

use tower_recording::{
    conversation::Role,
    store::{Partition, StoredMessage},
};

use self::{
    client::{Client, SYSTEM},
    counted::Effort,
    gateway::Gateway,
};
use crate::{
    servers::{mariadb, postgres},
    support::sqlite_dsn,
};

const TURNS: usize = 100;

/// Runs a test once on each database.
macro_rules! on_each_database {
    ($test:ident) => {
        mod $test {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let folder = tempfile::tempdir().expect("a folder");
                super::$test(&sqlite_dsn(folder.path())).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$test(&postgres::Database::new().await.dsn()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                super::$test(&mariadb::Database::new().await.dsn()).await;
            }
        }
    };
}

on_each_database!(a_hundred_turns_are_two_hundred_messages_and_one_prompt);
async fn a_hundred_turns_are_two_hundred_messages_and_one_prompt(dsn: &str) {
    let gateway = Gateway::over(dsn).await;
    let mut client = Client::new();
    let mut efforts = Vec::new();
    for _ in 0..TURNS {
        client.turn(&gateway).await;
        efforts.push(gateway.effort());
    }
    let rows = gateway.rows().await;
    assert_read_as_said(&rows, &client);
    assert_steady(&efforts);
    report("one gateway", &rows, &client, &gateway.partitions().await);
    gateway.end().await;
}

on_each_database!(two_gateways_in_turn_store_what_one_would);
async fn two_gateways_in_turn_store_what_one_would(dsn: &str) {
    let gateways = [Gateway::over(dsn).await, Gateway::over(dsn).await];
    let mut client = Client::new();
    let mut efforts = Vec::new();
    for gateway in gateways.iter().cycle().take(TURNS) {
        client.turn(gateway).await;
        efforts.push(gateway.effort());
    }
    let [gateway, _] = &gateways;
    let rows = gateway.rows().await;
    assert_read_as_said(&rows, &client);
    assert_steady(&efforts);
    report("two in turn", &rows, &client, &gateway.partitions().await);
    for gateway in gateways {
        gateway.end().await;
    }
}

/// Every message stands there once, under the one before it, and every reply says which prompt it
/// was given.
fn assert_read_as_said(rows: &[StoredMessage], client: &Client) {
    let (of_system, said): (Vec<_>, Vec<_>) = rows
        .iter()
        .partition(|row| row.message.role == Role::System);
    let [prompt] = &of_system[..] else {
        panic!("{} prompts", of_system.len())
    };
    let texts: Vec<_> = said
        .iter()
        .map(|row| row.message.content.as_str())
        .collect();
    let expected: Vec<_> = client.texts().collect();
    assert_eq!(texts, expected);
    for pair in said.windows(2) {
        let [before, after] = pair else {
            unreachable!()
        };
        assert_eq!(after.message.parent_id, Some(before.message.id));
    }
    for row in said
        .iter()
        .filter(|row| row.message.role == Role::Assistant)
    {
        assert_eq!(row.message.prompt_hash, prompt.message.prompt_hash);
    }
}

/// The hundredth turn writes no more than half as much again as the tenth.
fn assert_steady(efforts: &[Effort]) {
    let (tenth, last) = (&efforts[9], &efforts[TURNS - 1]);
    assert_eq!((last.batches, last.rows), (tenth.batches, tenth.rows));
    assert!(last.bytes * 2 <= tenth.bytes * 3, "{tenth:?} {last:?}");
    assert!(last.recalls <= tenth.recalls, "{tenth:?} {last:?}");
}

/// Prints what is stored beside what was said.
fn report(kind: &str, rows: &[StoredMessage], client: &Client, partitions: &[Partition]) {
    let said = SYSTEM.len() + client.texts().map(str::len).sum::<usize>();
    let stored: usize = rows
        .iter()
        .map(|row| row.message.content.len() + row.message.other.as_ref().map_or(0, String::len))
        .sum();
    let on_disk: i64 = partitions.iter().filter_map(|of| of.bytes).sum();
    println!(
        "{kind}: {} rows; {stored} bytes of content, {:.2} of what was said; {} bytes sent by the \
         client; {on_disk} bytes of tables and indexes",
        rows.len(),
        stored as f64 / said as f64,
        client.sent,
    );
    assert!(stored * 10 <= said * 12, "{stored} of {said}");
}
