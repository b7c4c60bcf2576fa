//! A batch that turns out otherwise than the one behind it was threaded for.

use super::*;
use crate::writer::job::unix_millis;

/// A recorder that has stored the first exchange of the conversation `s`, and writes nothing more.
async fn begun(exchanges: usize, patience: Duration) -> Scene {
    let scene = Scene::new(exchanges, patience);
    scene.ask("s", &["one"]).await;
    scene.recorder().flush().await;
    scene.gate.let_through(1);
    scene
}

const TWO: [&str; 3] = ["one", "re: one", "two"];
const THREE: [&str; 5] = ["one", "re: one", "two", "re: two", "three"];
const FOUR: [&str; 7] = [
    "one",
    "re: one",
    "two",
    "re: two",
    "three",
    "re: three",
    "four",
];

#[tokio::test]
async fn what_was_threaded_ahead_waits_for_a_batch_that_is_sent_again() {
    let scene = begun(1, LONGEST).await;
    scene.ask("s", &TWO).await;
    scene.gate.was_asked(2).await;
    scene.ask_ahead("s", &THREE).await;
    scene.gate.decide(Fate::Away);
    scene.gate.let_through(3);
    scene.gate.was_asked(4).await;
    scene.gate.decide(Fate::Written);
    scene.gate.open();
    scene.recorder().flush().await;
    let attempts = scene.gate.attempts();
    assert_eq!(attempts.len(), 5);
    assert!(attempts[1] == attempts[2] && attempts[2] == attempts[3]);
    assert_eq!(scene.read("s").await, [&THREE[..], &["re: three"]].concat());
    assert_eq!(scene.metrics().written, 3);
}

#[tokio::test]
async fn what_follows_a_message_that_is_refused_after_all_is_read_without_it() {
    let scene = begun(2, LONGEST).await;
    scene.ask("s", &TWO).await;
    scene.ask("beside", &["hello"]).await;
    scene.gate.was_asked(2).await;
    scene.ask("s", &THREE).await;
    scene.ask_ahead("behind", &["hello"]).await;
    scene.gate.decide(Fate::RefusedWith("two"));
    scene.gate.open();
    scene.recorder().flush().await;
    scene.ask("s", &FOUR).await;
    scene.recorder().flush().await;
    let said = ["one", "re: one", "three", "re: three", "four", "re: four"];
    assert_eq!(scene.read("s").await, said);
    for beside in ["beside", "behind"] {
        assert_eq!(scene.read(beside).await, ["hello", "re: hello"]);
    }
    let metrics = scene.metrics();
    assert_eq!((metrics.written, metrics.rejected), (5, 1));
    assert_eq!(metrics.captured_bytes, 0);
}

#[tokio::test]
async fn nothing_is_threaded_ahead_of_a_batch_that_was_refused() {
    let scene = begun(1, Duration::from_millis(10)).await;
    scene.gate.decide(Fate::Away);
    scene.ask("s", &TWO).await;
    scene.gate.was_asked(2).await;
    scene.gate.let_through(2);
    scene.gate.was_asked(3).await;
    scene.ask("s", &THREE).await;
    scene.is_taken().await;
    scene.gate.decide(Fate::RefusedWith("two"));
    scene.gate.let_through(3);
    until("a reject", || scene.metrics().rejected == 1).await;
    scene.gate.decide(Fate::Written);
    scene.gate.open();
    scene.recorder().flush().await;
    // The history has what was refused.
    assert_eq!(scene.read("s").await, [&THREE[..], &["re: three"]].concat());
}

#[tokio::test]
async fn after_a_refusal_the_head_is_what_was_threaded_ahead() {
    let scene = begun(1, LONGEST).await;
    scene.ask("s", &["two"]).await;
    scene.gate.was_asked(2).await;
    scene.ask_ahead("s", &["three"]).await;
    scene.gate.decide(Fate::RefusedWith("two"));
    scene.gate.let_through(2);
    scene.gate.was_asked(3).await;
    scene.ask("s", &["four"]).await;
    scene.is_taken().await;
    scene.gate.open();
    scene.recorder().flush().await;
    let said = ["one", "re: one", "three", "re: three", "four", "re: four"];
    assert_eq!(scene.read("s").await, said);
}

#[tokio::test]
async fn a_deletion_leaves_nothing_of_what_is_written_and_threaded_and_brings_nothing_back() {
    let scene = begun(1, Duration::from_millis(10)).await;
    scene.ask("s", &TWO).await;
    scene.gate.was_asked(2).await;
    scene.ask_ahead("s", &THREE).await;
    let id = Id::conversation("", Some("ada"), "s");
    let deleted = scene.recorder().delete_conversation_history(id).await;
    assert_eq!(deleted.unwrap().unwrap().messages, 2);
    scene.gate.let_through(2);
    scene.gate.was_asked(3).await;
    scene.ask("s", &FOUR).await;
    scene.is_taken().await;
    scene.gate.open();
    scene.recorder().flush().await;
    assert_eq!(scene.metrics().erased, 2);
    assert_eq!(scene.read("s").await, ["four", "re: four"]);
    let page = scene.gate.store.messages(id, None, 50).await.unwrap();
    assert_eq!(page.data.len(), 2);
    scene
        .ask("s", &[&FOUR[..], &["re: four", "five"]].concat())
        .await;
    scene.recorder().flush().await;
    let said = ["four", "re: four", "five", "re: five"];
    assert_eq!(scene.read("s").await, said);
}

#[tokio::test]
async fn what_began_after_a_deletion_stays_though_what_it_follows_was_deleted() {
    let scene = begun(1, Duration::from_millis(10)).await;
    scene.ask("s", &TWO).await;
    scene.gate.was_asked(2).await;
    let id = Id::conversation("", Some("ada"), "s");
    // Another process deletes: this one hears of it from its store.
    let now = scene.gate.attempts()[1][0].exchange.created_at;
    until("a moment", || unix_millis() > now).await;
    let deleted = scene.gate.store.delete_conversation(id, now).await;
    assert_eq!(deleted.unwrap().unwrap().messages, 2);
    scene.ask_ahead("s", &THREE).await;
    scene.gate.let_through(2);
    scene.gate.was_asked(3).await;
    scene.ask("s", &FOUR).await;
    scene.is_taken().await;
    scene.gate.open();
    scene.recorder().flush().await;
    assert_eq!(scene.metrics().erased, 1);
    let said = ["three", "re: three", "four", "re: four"];
    assert_eq!(scene.read("s").await, said);
}
