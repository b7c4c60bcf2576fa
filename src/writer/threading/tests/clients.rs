//! Clients of every kind, one gateway.

use super::*;

#[tokio::test]
async fn a_history_that_grows_is_stored_once() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let kind = Message::new(Role::Developer, "be kind");
    let mut history = vec![system("be brief"), kind];
    for turn in 0..100 {
        let answer = format!("answer {turn}");
        history.push(user(&format!("question {turn}")));
        let exchange = talk.exchange(history.clone(), Answer::Given(&[&answer]));
        gateway.record(&shelf, vec![exchange]).await;
        history.push(assistant(&answer));
    }
    assert_eq!(shelf.stored().len(), 202);
    for limit in [1, 2, 3, 7, 300] {
        let read = branch_of(&shelf, talk.conversation(), limit).await;
        assert_eq!(read, told(&history), "{limit}");
    }
    // One look a turn: for the conversation's head, and then for what others may have stored behind it.
    assert_eq!(*shelf.recalls.lock().unwrap(), 100);
}

#[tokio::test]
async fn who_writes_alone_hardly_ever_asks_what_others_stored() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut history = vec![user("a")];
    let first = talk.exchange(history.clone(), Answer::Given(&["1"]));
    gateway.record(&shelf, vec![first]).await;
    gateway.leave_alone();
    let asked = *shelf.recalls.lock().unwrap();
    for turn in 0..16 {
        history.extend([assistant("1"), user(&format!("question {turn}"))]);
        let exchange = talk.exchange(history.clone(), Answer::Given(&["1"]));
        gateway.record(&shelf, vec![exchange]).await;
    }
    assert_eq!(*shelf.recalls.lock().unwrap(), asked + 1);
    assert_eq!(shelf.stored().len(), history.len() + 1);
}

#[tokio::test]
async fn a_client_that_sends_only_its_newest_goes_on_at_the_head() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut said = Vec::new();
    for text in ["hi", "continue", "continue", "continue"] {
        let exchange = talk.exchange(vec![user(text)], Answer::Given(&["ok"]));
        gateway.record(&shelf, vec![exchange]).await;
        said.extend([user(text), assistant("ok")]);
        assert_eq!(branch_of(&shelf, talk.conversation(), 3).await, told(&said));
    }
}

#[tokio::test]
async fn what_was_broken_off_and_is_tried_again_is_one_turn() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    for (text, answer) in [
        ("a", Answer::Given(&["1"])),
        ("b", Answer::BrokenOff("2 of")),
        ("b", Answer::Given(&["2 of 3"])),
    ] {
        let exchange = talk.exchange(vec![user(text)], answer);
        gateway.record(&shelf, vec![exchange]).await;
    }
    let read = branch_of(&shelf, talk.conversation(), 10).await;
    let said = [user("a"), assistant("1"), user("b"), assistant("2 of 3")];
    assert_eq!(read, told(&said));
    assert_eq!(shelf.stored().len(), 5);
}

#[tokio::test]
async fn what_was_broken_off_at_one_gateway_and_is_tried_again_at_another_is_one_turn() {
    let (shelf, mut one, mut other) = (Shelf::default(), Gateway::new(), Gateway::new());
    let mut talk = Talk::named("s");
    let first = talk.exchange(vec![user("a")], Answer::Given(&["1"]));
    other.record(&shelf, vec![first]).await;
    let broken = talk.exchange(vec![user("b")], Answer::Unheard);
    one.record(&shelf, vec![broken]).await;
    let again = talk.exchange(vec![user("b")], Answer::Given(&["2"]));
    other.record(&shelf, vec![again]).await;
    // By now it was answered: the same words are another turn.
    let once_more = talk.exchange(vec![user("b")], Answer::Given(&["3"]));
    one.record(&shelf, vec![once_more]).await;
    let said = [("a", "1"), ("b", "2"), ("b", "3")].map(|(q, a)| [user(q), assistant(a)]);
    let said = told(&said.concat());
    assert_eq!(branch_of(&shelf, talk.conversation(), 10).await, said);
    assert_eq!(shelf.stored().len(), 6);
}

#[tokio::test]
async fn a_failure_keeps_only_what_is_new_and_a_retry_is_stored_once() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let history = vec![system("p"), user("a"), assistant("1"), user("b")];
    let first = talk.exchange(history[..2].to_vec(), Answer::Given(&["1"]));
    gateway.record(&shelf, vec![first]).await;
    for _ in 0..2 {
        let failing = talk.exchange(history.clone(), Answer::Failed);
        gateway.record(&shelf, vec![failing]).await;
    }
    let rows = shelf.rows.lock().unwrap().clone();
    for failed in &rows[1..] {
        let error = failed.error.as_ref().unwrap();
        assert_eq!(error.parent_id, Some(rows[0].messages[2].id));
        let other: serde_json::Value = serde_json::from_str(error.other.as_ref().unwrap()).unwrap();
        assert_eq!(
            other["messages"],
            serde_json::json!([{"role": "user", "content": "b"}])
        );
    }
    let again = talk.exchange(history.clone(), Answer::Given(&["2"]));
    gateway.record(&shelf, vec![again]).await;
    let said = [history, vec![assistant("2")]].concat();
    assert_eq!(
        branch_of(&shelf, talk.conversation(), 10).await,
        told(&said)
    );
    assert_eq!(shelf.stored().len(), 5);
}

#[tokio::test]
async fn a_choice_that_is_not_the_first_is_gone_on_with() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let first = talk.exchange(vec![user("a")], Answer::Given(&["x", "y"]));
    gateway.record(&shelf, vec![first]).await;
    let conversation = talk.conversation();
    let first = [user("a"), assistant("x"), assistant("y")];
    assert_eq!(branch_of(&shelf, conversation, 10).await, told(&first));
    let second = vec![user("a"), assistant("y"), user("b")];
    let exchange = talk.exchange(second.clone(), Answer::Given(&["z"]));
    gateway.record(&shelf, vec![exchange]).await;
    let said = [second, vec![assistant("z")]].concat();
    assert_eq!(branch_of(&shelf, conversation, 10).await, told(&said));
    assert_eq!(shelf.stored().len(), 5);
}

#[tokio::test]
async fn several_answers_are_read_in_pages_of_one() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let exchange = talk.exchange(vec![user("a")], Answer::Given(&["1", "2", "3"]));
    gateway.record(&shelf, vec![exchange]).await;
    let said = [user("a"), assistant("1"), assistant("2"), assistant("3")];
    for limit in 1..6 {
        let read = branch_of(&shelf, talk.conversation(), limit).await;
        assert_eq!(read, told(&said), "{limit}");
    }
}

#[tokio::test]
async fn a_prompt_is_stored_once_a_change_and_once_a_day() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut history = Vec::new();
    for (turn, prompt) in ["p", "p", "q", "q", "p"].into_iter().enumerate() {
        let answer = format!("{turn}");
        history.push(user("go on"));
        let said = [vec![system(prompt)], history.clone()].concat();
        let exchange = talk.exchange(said, Answer::Given(&[&answer]));
        gateway.record(&shelf, vec![exchange]).await;
        history.push(assistant(&answer));
    }
    let prompts = |shelf: &Shelf| {
        let stored = shelf.stored().into_iter();
        let prompts = stored.filter(|row| row.message.role == Role::System);
        prompts.map(|row| row.message.content).collect::<Vec<_>>()
    };
    assert_eq!(prompts(&shelf), ["p", "q"]);
    talk.now_ms += 86_400_000;
    history.push(user("good morning"));
    let said = [vec![system("p")], history.clone()].concat();
    let exchange = talk.exchange(said, Answer::Given(&["!"]));
    gateway.record(&shelf, vec![exchange]).await;
    assert_eq!(prompts(&shelf), ["p", "q", "p"]);
    let replies = shelf.stored().into_iter();
    let hashes: Vec<_> = replies
        .filter(|row| row.message.role == Role::Assistant)
        .map(|row| row.message.prompt_hash.unwrap())
        .collect();
    assert!(hashes[0] == hashes[1] && hashes[2] == hashes[3] && hashes[4] == hashes[5]);
    assert!(hashes[0] == hashes[4] && hashes[0] != hashes[2]);
}

#[tokio::test]
async fn without_an_id_the_conversation_is_the_one_that_holds_the_history() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::unnamed();
    let reminder = user("<system-reminder>the same in every conversation</system-reminder>");
    let mut histories = [vec![reminder.clone(), user("a")], vec![reminder, user("b")]];
    for turn in 0..5 {
        for (one, history) in histories.iter_mut().enumerate() {
            let answer = format!("{one} {turn}");
            let exchange = talk.exchange(history.clone(), Answer::Given(&[&answer]));
            gateway.record(&shelf, vec![exchange]).await;
            history.extend([assistant(&answer), user("go on")]);
        }
    }
    let rows = shelf.rows.lock().unwrap().clone();
    let conversations: HashSet<Id> = rows.iter().map(|rows| rows.conversation.id).collect();
    assert_eq!(conversations.len(), 2);
    assert_eq!(shelf.stored().len(), 2 * (1 + 5 * 2));
    for rows in &rows[2..] {
        assert_eq!(rows.conversation.session_source, "inferred");
        let first = rows_of(&shelf, rows.conversation.id);
        assert_eq!(rows.conversation.session_id, first.conversation.session_id);
    }
    let history = &histories[1][..histories[1].len() - 1];
    let read = branch_of(&shelf, rows[1].conversation.id, 4).await;
    assert_eq!(read, told(history));
    // A week later it is another one.
    talk.now_ms += 8 * 86_400_000;
    let late = talk.exchange(histories[1].clone(), Answer::Given(&["late"]));
    gateway.record(&shelf, vec![late]).await;
    let newest = shelf.rows.lock().unwrap().last().unwrap().conversation.id;
    assert!(!conversations.contains(&newest));
}

fn rows_of(shelf: &Shelf, conversation: Id) -> ExchangeRows {
    let rows = shelf.rows.lock().unwrap();
    let mut of_it = rows
        .iter()
        .filter(|rows| rows.conversation.id == conversation);
    of_it.next().unwrap().clone()
}

#[tokio::test]
async fn whoever_is_known_by_an_address_only_is_thrown_together_with_nobody() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk {
        user: None,
        ..Talk::unnamed()
    };
    for _ in 0..2 {
        let said = vec![user("a"), assistant("1"), user("b")];
        let exchange = talk.exchange(said, Answer::Given(&["2"]));
        gateway.record(&shelf, vec![exchange]).await;
    }
    assert_eq!(shelf.stored().len(), 8);
}

#[tokio::test]
async fn a_beginning_that_was_dropped_is_not_stored_again_and_again() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut history = Vec::new();
    for turn in 0..6 {
        let answer = format!("{turn}");
        history.push(user("go on"));
        let exchange = talk.exchange(history.clone(), Answer::Given(&[&answer]));
        gateway.record(&shelf, vec![exchange]).await;
        history.push(assistant(&answer));
        if turn == 2 {
            shelf.rows.lock().unwrap().drain(..2);
            // The process is started again.
            gateway = Gateway::new();
        }
    }
    assert_eq!(shelf.stored().len(), 8);
    let read = branch_of(&shelf, talk.conversation(), 3).await;
    assert_eq!(read, told(&history[4..]));
}
