//! Exchanges that the database refuses.

use super::*;

/// What was said, the second of three turns of which is not written, and whether the writer is told.
async fn refused_second_turn(is_told: bool) -> (Vec<Message>, Vec<String>) {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut said = vec![user("a"), assistant("1"), user("b")];
    let first = talk.exchange(said.clone(), Answer::Given(&["2"]));
    gateway.record(&shelf, vec![first]).await;
    said.extend([assistant("2"), user("refused")]);
    let refused = talk.exchange(said.clone(), Answer::Given(&["3"]));
    for rows in gateway.thread(&shelf, vec![refused]).await {
        if is_told {
            let conversation = HashSet::from([rows.conversation.id]);
            gateway.threader.forget_conversations(&conversation);
        }
    }
    said.extend([assistant("3"), user("c")]);
    let next = talk.exchange(said.clone(), Answer::Given(&["4"]));
    gateway.record(&shelf, vec![next]).await;
    said.push(assistant("4"));
    let read = branch_of(&shelf, talk.conversation(), 50).await;
    for limit in 1..5 {
        assert_eq!(branch_of(&shelf, talk.conversation(), limit).await, read);
    }
    (said, read)
}

#[tokio::test]
async fn a_message_that_is_nowhere_does_not_hide_what_was_said_before() {
    let (said, read) = refused_second_turn(false).await;
    let past = told(&said[..4]);
    assert_eq!(read[..4], past);
    assert_eq!(read[4..], told(&said[6..]));
}

#[tokio::test]
async fn what_was_refused_is_stored_from_the_history_of_the_next_turn() {
    let (said, read) = refused_second_turn(true).await;
    assert_eq!(read, told(&said));
}
