//! A long conversation over midnight, in each database.

use super::*;
use crate::store::tests::{Database, databases};

const TURNS: usize = 100;
/// 2025-01-16 00:00 UTC.
const MIDNIGHT: u64 = 1_736_985_600_000;

async fn assert_stored_once<D: Database>(gateways: usize) {
    let database = D::open().await;
    let store = database.store();
    let mut gateways: Vec<Gateway> = (0..gateways).map(|_| Gateway::new()).collect();
    let mut talk = Talk {
        now_ms: MIDNIGHT - TURNS as u64 / 2 * 1000,
        ..Talk::named("s")
    };
    let mut history = vec![system("be brief")];
    for turn in 0..TURNS {
        history.push(user(&format!("question {turn}")));
        let answer = format!("answer {turn}");
        let exchange = talk.exchange(history.clone(), Answer::Given(&[&answer]));
        let which = turn % gateways.len();
        gateways[which].record(&store, vec![exchange]).await;
        history.push(assistant(&answer));
    }
    let page = store.messages(talk.conversation(), None, 1000).await;
    let rows = page.unwrap().data;
    let (prompts, said): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| row.message.role == Role::System);
    let midnight = MIDNIGHT as i64;
    let days = prompts
        .iter()
        .map(|row| row.exchange.created_at >= midnight);
    assert_eq!(days.collect::<Vec<_>>(), [false, true]);
    let told_in_rows = said
        .iter()
        .map(|row| format!("{}: {}", row.message.role, row.message.content));
    assert_eq!(told_in_rows.collect::<Vec<_>>(), told(&history[1..]));
    let (before, after) = said.split_at(TURNS - 2);
    assert!(before.iter().all(|row| row.exchange.created_at < midnight));
    assert!(after.iter().all(|row| row.exchange.created_at >= midnight));
    for pair in said.windows(2) {
        assert_eq!(pair[1].message.parent_id, Some(pair[0].message.id));
    }
    let read = branch_of(&store, talk.conversation(), 1000).await;
    assert_eq!(read, told(&history));
}

macro_rules! on {
    ($feature:literal $database:ident) => {
        #[cfg(feature = $feature)]
        mod $database {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn two_hundred_messages_and_a_prompt_a_day() {
                assert_stored_once::<databases::$database::Database>(1).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn the_same_through_two_gateways_in_turn() {
                assert_stored_once::<databases::$database::Database>(2).await;
            }
        }
    };
}

on!("sqlite" sqlite);
on!("postgres" postgres);
on!("mysql" mysql);
