//! Applications that remind the model of something behind what the user said.

use super::*;

/// Four turns, each of which ends with a reminder; what is stored of them.
async fn reminded(is_kept: bool) -> Vec<String> {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut history = vec![system("p")];
    let reminder = Message::new(Role::Developer, "be short");
    for turn in 0..4 {
        let answer = format!("a{turn}");
        history.push(user(&format!("q{turn}")));
        let sent = [history.clone(), vec![reminder.clone()]].concat();
        if is_kept {
            history.clone_from(&sent);
        }
        let exchange = talk.exchange(sent, Answer::Given(&[&answer]));
        gateway.record(&shelf, vec![exchange]).await;
        history.push(assistant(&answer));
    }
    let read = branch_of(&shelf, talk.conversation(), 50).await;
    let stored = shelf.stored().into_iter().map(|row| row.message);
    let stored: Vec<Message> = stored
        .map(|row| Message::new(row.role, row.content))
        .collect();
    assert_eq!(read, told(&stored));
    read
}

#[tokio::test]
async fn a_reminder_at_the_end_doubles_no_answer() {
    let turns = (0..4).flat_map(|turn| {
        let turn = [
            format!("user: q{turn}"),
            "developer: be short".to_owned(),
            format!("assistant: a{turn}"),
        ];
        turn.into_iter()
    });
    let expected: Vec<String> = ["system: p".to_owned()].into_iter().chain(turns).collect();
    for is_kept in [false, true] {
        assert_eq!(reminded(is_kept).await, expected, "{is_kept}");
    }
}

#[tokio::test]
async fn what_the_application_says_behind_an_answer_is_stored() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut said = vec![user("a")];
    let first = talk.exchange(said.clone(), Answer::Given(&["1"]));
    gateway.record(&shelf, vec![first]).await;
    said.extend([assistant("1"), system("it is late"), user("b")]);
    let second = talk.exchange(said.clone(), Answer::Given(&["2"]));
    gateway.record(&shelf, vec![second]).await;
    said.push(assistant("2"));
    assert_eq!(
        branch_of(&shelf, talk.conversation(), 50).await,
        told(&said)
    );
    assert_eq!(shelf.stored().len(), 5);
}
