//! Where a conversation begins again.

use super::*;

#[tokio::test]
async fn where_history_was_sent_a_request_without_one_begins_a_branch() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let said = vec![user("a"), assistant("1"), user("b")];
    let first = talk.exchange(said, Answer::Given(&["2"]));
    gateway.record(&shelf, vec![first]).await;
    for gateway in [&mut gateway, &mut Gateway::new()] {
        let alone = talk.exchange(vec![user("c")], Answer::Given(&["3"]));
        gateway.record(&shelf, vec![alone]).await;
        let read = branch_of(&shelf, talk.conversation(), 10).await;
        assert_eq!(read, told(&[user("c"), assistant("3")]));
    }
    // The second time it was another answer to the same.
    let stored = shelf.stored();
    let asked = stored.iter().filter(|row| row.message.content == "c");
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn after_thirty_days_it_is_a_branch_of_its_own() {
    for shows_history in [false, true] {
        let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
        let mut talk = Talk::named("s");
        let first = talk.exchange(vec![user("a")], Answer::Given(&["1"]));
        gateway.record(&shelf, vec![first]).await;
        talk.now_ms += 31 * 86_400_000;
        let said = match shows_history {
            true => vec![user("a"), assistant("1"), user("b")],
            false => vec![user("b")],
        };
        let late = talk.exchange(said.clone(), Answer::Given(&["2"]));
        Gateway::new().record(&shelf, vec![late]).await;
        let read = branch_of(&shelf, talk.conversation(), 10).await;
        assert_eq!(read, told(&[said, vec![assistant("2")]].concat()));
    }
}

/// Its client might as well have said the same twice, and sent no history.
#[tokio::test]
async fn a_first_answer_that_was_asked_for_again_reads_right_from_the_next_turn_on() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    for answer in ["1", "2"] {
        let exchange = talk.exchange(vec![user("a")], Answer::Given(&[answer]));
        gateway.record(&shelf, vec![exchange]).await;
    }
    let mut said = vec![user("a"), assistant("2"), user("b")];
    for turn in 3..5 {
        let answer = format!("{turn}");
        let exchange = talk.exchange(said.clone(), Answer::Given(&[&answer]));
        gateway.record(&shelf, vec![exchange]).await;
        said.push(assistant(&answer));
        assert_eq!(branch_of(&shelf, talk.conversation(), 2).await, told(&said));
        said.push(user("go on"));
    }
    let roots = shelf.stored().into_iter();
    let roots = roots.filter(|row| row.message.parent_id.is_none());
    assert_eq!(roots.count(), 1);
}
