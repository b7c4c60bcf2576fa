//! Pages that end where their text gets long.

use super::*;
use crate::thread::append;

const MIB: usize = 1 << 20;

/// A text of so many MiB that says which one it is.
fn long(name: &str, mib: usize) -> String {
    format!("{name} {}", "x".repeat(mib * MIB))
}

/// The current branch by the first word of each message, a list a page, the newest page first.
async fn pages_of(shelf: &Shelf, conversation: Id) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut bookmark = None;
    loop {
        let page = branch::page(shelf, conversation, bookmark, 500).await;
        let page = page.unwrap();
        let bytes: usize = page.data.iter().map(|row| row.message.content.len()).sum();
        assert!(bytes <= 16 * MIB || page.data.len() == 1, "{bytes}");
        assert!(!page.data.is_empty());
        let words = page.data.iter();
        let words = words.map(|row| row.message.content.split(' ').next().unwrap().to_owned());
        pages.push(words.collect());
        match page.next {
            Some(next) => bookmark = Some(next.to_string().parse().unwrap()),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_page_ends_where_its_text_gets_long_and_the_next_goes_on() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    for (asked, answered) in [(1, 7), (20, 1), (5, 4), (5, 6)] {
        let question = long(&format!("q{asked}"), asked);
        let answer = long(&format!("a{answered}"), answered);
        let said = vec![system("brief"), user(&question)];
        let exchange = talk.exchange(said, Answer::Given(&[&answer]));
        gateway.record(&shelf, vec![exchange]).await;
    }
    let pages = pages_of(&shelf, talk.conversation()).await;
    let words: Vec<String> = pages.into_iter().rev().flatten().collect();
    let expected = "brief q1 a7 q20 a1 q5 a4 q5 a6";
    assert_eq!(words.join(" "), expected);
}

/// Adds a message by hand, behind the branch that is shown.
pub(super) async fn add(shelf: &Shelf, talk: &mut Talk, text: String) {
    talk.now_ms += 1000;
    let stored = shelf.rows.lock().unwrap()[0].clone();
    let conversation = crate::store::Conversation {
        id: talk.conversation(),
        session_id: stored.conversation.session_id.clone(),
        user_identifier: "ada".to_owned(),
        ..Default::default()
    };
    let message = Message::new(Role::User, text);
    let place = append(shelf, &conversation, &message).await.unwrap();
    let mut rows = stored;
    rows.exchange.exchange_id = Id::exchange(talk.now_ms * 1_000_000);
    rows.exchange.created_at = rows.exchange.exchange_id.unix_ms();
    rows.exchange.latency_ms = None;
    let mut row = rows.messages[0].clone();
    row.id = rows.exchange.exchange_id.row(1);
    row.parent_id = place.parent;
    row.chain_hash = Some(place.chain_hash);
    row.prompt_hash = None;
    row.role = message.role;
    row.content = message.content;
    rows.messages = vec![row];
    shelf.write(&[rows]).await.unwrap();
}

#[tokio::test]
async fn what_was_added_by_hand_beside_the_branch_is_held_within_bounds_and_shown() {
    let (shelf, mut gateway) = (Shelf::default(), Gateway::new());
    let mut talk = Talk::named("s");
    let mut history = vec![user("q0")];
    let exchange = talk.exchange(history.clone(), Answer::Given(&["a0"]));
    gateway.record(&shelf, vec![exchange]).await;
    for number in 0..40 {
        add(&shelf, &mut talk, long(&format!("added{number}"), 1)).await;
    }
    history.extend([assistant("a0"), user("q1")]);
    let exchange = talk.exchange(history, Answer::Given(&["a1"]));
    gateway.record(&shelf, vec![exchange]).await;
    let pages = pages_of(&shelf, talk.conversation()).await;
    let words: Vec<String> = pages.into_iter().rev().flatten().collect();
    let added: Vec<String> = (0..40).map(|number| format!("added{number}")).collect();
    assert_eq!(words.join(" "), format!("q0 a0 {} q1 a1", added.join(" ")));
}
