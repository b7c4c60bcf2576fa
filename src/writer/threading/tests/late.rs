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

#[tokio::test]
async fn a_first_exchange_that_ends_after_the_second_is_read_before_it() {
    for ends in [[1, 0, 2], [2, 1, 0], [1, 2, 0]] {
        let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
        let mut talk = Talk::named("s");
        let texts = ["slow", "fast", "next"];
        let exchanges =
            texts.map(|text| talk.exchange(vec![system("p"), user(text)], Answer::Given(&["ok"])));
        let mut exchanges = exchanges.map(Some);
        for number in ends {
            let exchange = exchanges[number].take().unwrap();
            gateway.record(&shelf, vec![exchange]).await;
        }
        let last = talk.exchange(vec![system("p"), user("last")], Answer::Given(&["ok"]));
        gateway.record(&shelf, vec![last]).await;
        let said = [texts[0], texts[1], texts[2], "last"].map(|text| [user(text), assistant("ok")]);
        let said = told(&said.concat());
        for limit in [1, 2, 3, 4, 5, 50] {
            let read = branch_of(&shelf, talk.conversation(), limit).await;
            let read: Vec<String> = read
                .into_iter()
                .filter(|line| line != "system: p")
                .collect();
            assert_eq!(read, said, "{ends:?} {limit}");
        }
    }
}

#[tokio::test]
async fn what_stands_before_the_root_of_another_branch_is_not_read() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut history = vec![user("a"), assistant("1"), user("b")];
    let first = talk.exchange(history.clone(), Answer::Given(&["2"]));
    gateway.record(&shelf, vec![first]).await;
    history[0] = user("edited");
    for _ in 0..2 {
        let exchange = talk.exchange(history.clone(), Answer::Given(&["3"]));
        gateway.record(&shelf, vec![exchange]).await;
    }
    history.push(assistant("3"));
    for limit in [1, 2, 3, 4, 5, 50] {
        let read = branch_of(&shelf, talk.conversation(), limit).await;
        assert_eq!(read, told(&history), "{limit}");
    }
}
