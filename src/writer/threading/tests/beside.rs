//! Several histories of one user, or of one session, in one batch.

use super::*;

/// An exchange of each of so many talks, each with a history of its own that goes on with these messages.
fn each_of(talks: usize, talk: &mut Talk, more: &[Message], answer: Answer<'_>) -> Vec<Heard> {
    let one = |number: usize| {
        let said = vec![user(&format!("question {number}"))];
        let said = [&said, more].concat();
        talk.exchange_as(said, answer, |identity| identity.sends_history = true)
    };
    (0..talks).map(one).collect()
}

fn gone_on() -> Vec<Message> {
    vec![assistant("answer"), user("and then?")]
}

#[tokio::test]
async fn histories_that_nobody_stored_wait_once_however_many_they_are() {
    for mut talk in [Talk::named("s"), Talk::unnamed()] {
        let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
        let exchanges = each_of(12, &mut talk, &gone_on(), Answer::Given(&["done"]));
        let mut batch = Batch::default();
        for (number, heard) in (1..).zip(exchanges) {
            batch.push(number, Box::new(heard));
        }
        let Gateway {
            workshop, threader, ..
        } = &mut gateway;
        let first = thread(workshop, &shelf, threader, batch, HashSet::new()).await;
        assert_eq!(first.held.values().len(), 12);
        let again = thread(workshop, &shelf, threader, first.held, HashSet::new()).await;
        assert_eq!(again.held.values().len(), 0);
        assert_eq!(again.rows.values().len(), 12);
    }
}

#[tokio::test]
async fn the_database_is_asked_once_for_all_that_it_is_asked_first() {
    for mut talk in [Talk::named("s"), Talk::unnamed()] {
        let shelf = Shelf::default();
        let begun = each_of(12, &mut talk, &[], Answer::Given(&["answer"]));
        Gateway::new().record(&shelf, begun).await;
        *shelf.recalls.lock().unwrap() = 0;
        let next = each_of(12, &mut talk, &gone_on(), Answer::Given(&["done"]));
        Gateway::new().record(&shelf, next).await;
        assert_eq!(shelf.stored().len(), 4 * 12);
        let recalls = *shelf.recalls.lock().unwrap();
        assert!(recalls <= 3, "{recalls}");
    }
}

#[tokio::test]
async fn questions_that_are_tried_again_at_another_gateway_stand_once_each() {
    for mut talk in [Talk::named("s"), Talk::unnamed()] {
        let shelf = Shelf::default();
        let (mut one, mut other) = (Gateway::new(), Gateway::new());
        let begun = each_of(12, &mut talk, &[], Answer::Given(&["answer"]));
        one.record(&shelf, begun).await;
        let next = each_of(12, &mut talk, &gone_on(), Answer::Unheard);
        other.record(&shelf, next).await;
        let again = each_of(12, &mut talk, &gone_on(), Answer::Given(&["done"]));
        one.record(&shelf, again).await;
        let stored = shelf.stored().into_iter();
        let asked = stored.filter(|row| row.message.content == "and then?");
        assert_eq!(asked.count(), 12);
    }
}

#[tokio::test]
async fn a_batch_in_which_others_showed_themselves_is_no_sign_that_nobody_writes() {
    let shelf = Shelf::default();
    let mut talk = Talk::unnamed();
    let (mut one, mut other) = (Gateway::new(), Gateway::new());
    let given = Answer::Given(&["answer"]);
    let turn = [
        &[assistant("answer")],
        &["sun", "rain", "and now?"].map(user)[..],
    ]
    .concat();
    let turns = [turn.clone(), [turn.clone(), turn].concat()];
    // Who remembers nothing yet cannot tell others' rows from its own.
    let before = talk.exchange(vec![user("hello")], given);
    other.record(&shelf, vec![before]).await;
    let begun = each_of(100, &mut talk, &[], given);
    one.record(&shelf, begun).await;
    let second = each_of(100, &mut talk, &turns[0], given);
    other.record(&shelf, second).await;
    let third = each_of(100, &mut talk, &turns[1], Answer::Unheard);
    one.record(&shelf, third).await;
    let again = each_of(100, &mut talk, &turns[1], given);
    other.record(&shelf, again).await;
    let stored = shelf.stored().into_iter();
    let asked = stored.filter(|row| row.message.content == "and now?");
    assert_eq!(asked.count(), 200);
}
