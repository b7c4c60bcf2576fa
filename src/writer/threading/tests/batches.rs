//! Several turns of a conversation in one batch, as after a pause of the database.

use super::*;

/// Turns of a client that sends everything each time, and what was said.
fn with_history(talk: &mut Talk, turns: usize) -> (Vec<Heard>, Vec<Message>) {
    let mut history = Vec::new();
    let turn = |turn| {
        history.push(user(&format!("question {turn}")));
        let answer = format!("answer {turn}");
        let exchange = talk.exchange(history.clone(), Answer::Given(&[&answer]));
        history.push(assistant(&answer));
        exchange
    };
    ((0..turns).map(turn).collect(), history)
}

/// Turns of a client that names the response that it goes on from, and what was said.
fn from_responses(talk: &mut Talk, turns: usize) -> (Vec<Heard>, Vec<Message>) {
    let mut history = Vec::new();
    let turn = |turn: usize| {
        let question = user(&format!("question {turn}"));
        let answer = format!("answer {turn}");
        let mut exchange = talk.exchange(vec![question.clone()], Answer::Given(&[&answer]));
        exchange.prompt.is_kept = true;
        exchange.reply.response_id = Some(format!("response {turn}"));
        exchange.prompt.goes_on_from = turn.checked_sub(1).map(|last| format!("response {last}"));
        history.extend([question, assistant(&answer)]);
        exchange
    };
    ((0..turns).map(turn).collect(), history)
}

#[tokio::test]
async fn turns_in_one_batch_keep_their_order_whatever_is_asked_about_them() {
    for turns in [2, 3, 4, 5, 50] {
        for make in [with_history, from_responses] {
            for mut talk in [Talk::named("s"), Talk::unnamed()] {
                for is_alone in [false, true] {
                    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
                    if is_alone {
                        gateway.leave_alone();
                    }
                    let (exchanges, history) = make(&mut talk, turns);
                    gateway.record(&shelf, exchanges).await;
                    let stored = shelf.stored();
                    assert_eq!(stored.len(), 2 * turns);
                    let conversation = stored[0].exchange.conversation_id;
                    let read = branch_of(&shelf, conversation, 2 * turns).await;
                    assert_eq!(read, told(&history));
                    assert!(*shelf.recalls.lock().unwrap() <= 2);
                }
            }
        }
    }
}
