//! Exchanges of one conversation that overlap.

use super::*;

#[tokio::test]
async fn a_slow_answer_is_not_lost_from_the_branch() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut said = Vec::new();
    let mut ask = |question: &str, answer: &str| {
        said.extend([user(question), assistant(answer)]);
        talk.exchange(vec![user(question)], Answer::Given(&[answer]))
    };
    let zero = ask("zero", "0");
    let slow = ask("slow", "after a while");
    let slower = ask("slower", "at last");
    let fast = ask("fast", "at once");
    let last = ask("last", "!");
    for exchange in [zero, fast, slower, slow, last] {
        gateway.record(&shelf, vec![exchange]).await;
    }
    for limit in [1, 2, 3, 4, 5, 50] {
        let read = branch_of(&shelf, talk.conversation(), limit).await;
        assert_eq!(read, told(&said), "{limit}");
    }
}

#[tokio::test]
async fn a_slow_answer_leads_back_where_what_came_next_was_lost() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let [zero, slow, lost, fast, last] = ["zero", "slow", "lost", "fast", "last"]
        .map(|text| talk.exchange(vec![user(text)], Answer::Given(&[text])));
    gateway.record(&shelf, vec![zero]).await;
    // Threaded, and then not written.
    gateway.thread(&shelf, vec![lost]).await;
    for exchange in [fast, slow, last] {
        gateway.record(&shelf, vec![exchange]).await;
    }
    let read = branch_of(&shelf, talk.conversation(), 50).await;
    let said = ["zero", "slow", "fast", "last"].map(|text| [user(text), assistant(text)]);
    assert_eq!(read, told(&said.concat()));
}
