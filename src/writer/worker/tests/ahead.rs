//! A batch that is threaded while the one before is written.

use super::*;

#[tokio::test]
async fn a_batch_is_threaded_while_the_one_before_is_written() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("a", &["one"]).await;
    scene.gate.was_asked(1).await;
    let asked = scene.gate.recalls();
    scene.ask_ahead("b", &["two"]).await;
    assert_eq!(scene.gate.recalls(), asked + 1);
    assert_eq!(scene.gate.attempts().len(), 1);
    scene.gate.open();
    scene.recorder().flush().await;
    assert_eq!(scene.read("a").await, ["one", "re: one"]);
    assert_eq!(scene.read("b").await, ["two", "re: two"]);
}

#[tokio::test]
async fn what_is_being_written_is_gone_on_with_and_stands_once() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("all", &["one"]).await;
    scene.gate.was_asked(1).await;
    scene.ask_ahead("all", &["one", "re: one", "two"]).await;
    scene.gate.let_through(1);
    scene.gate.was_asked(2).await;
    let third = ["one", "re: one", "two", "re: two", "three"];
    scene.ask_ahead("all", &third).await;
    // One look a batch, which finds nothing of that.
    assert_eq!(scene.gate.recalls(), 3);
    scene.gate.open();
    scene.recorder().flush().await;
    let said = ["one", "re: one", "two", "re: two", "three", "re: three"];
    assert_eq!(scene.read("all").await, said);
    let rows = scene.gate.attempts().concat();
    assert_eq!(
        rows.iter().map(|rows| rows.messages.len()).sum::<usize>(),
        6
    );
}

#[tokio::test]
async fn who_sends_only_the_newest_goes_on_behind_what_is_being_written() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("newest", &["one"]).await;
    scene.gate.was_asked(1).await;
    scene.ask_ahead("newest", &["two"]).await;
    scene.gate.open();
    scene.recorder().flush().await;
    let said = ["one", "re: one", "two", "re: two"];
    assert_eq!(scene.read("newest").await, said);
}

#[tokio::test]
async fn without_an_id_what_is_being_written_is_found_by_its_history() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("", &["one"]).await;
    scene.gate.was_asked(1).await;
    scene.ask_ahead("", &["one", "re: one", "two"]).await;
    scene.gate.open();
    scene.recorder().flush().await;
    let [first, second] = &scene.gate.attempts().concat()[..] else {
        panic!("two exchanges");
    };
    assert_eq!(first.conversation.id, second.conversation.id);
    let said = ["one", "re: one", "two", "re: two"];
    let session = &first.conversation.session_id;
    assert_eq!(scene.read(session).await, said);
}

#[tokio::test]
async fn a_batch_that_is_not_full_waits_for_more_while_another_is_written() {
    let scene = Scene::new(2, Duration::ZERO);
    scene.gate.let_through(0);
    scene.ask("a", &["one"]).await;
    scene.gate.was_asked(1).await;
    scene.ask("b", &["two"]).await;
    scene.is_taken().await;
    scene.ask_ahead("c", &["three"]).await;
    scene.gate.open();
    scene.recorder().flush().await;
    let sizes: Vec<usize> = scene.gate.attempts().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 2]);
}

#[tokio::test]
async fn one_batch_is_written_one_is_threaded_one_is_collected_and_the_rest_stays_queued() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("s0", &["hello"]).await;
    scene.gate.was_asked(1).await;
    scene.ask_ahead("s1", &["hello"]).await;
    for number in 2..8 {
        scene.ask(&format!("s{number}"), &["hello"]).await;
    }
    until("a full batch", || scene.metrics().queued_exchanges == 5).await;
    // Whoever deletes is answered by a writer that has gone on since.
    let id = Id::conversation("", Some("ada"), "another");
    for _ in 0..3 {
        let deleted = scene.recorder().delete_conversation_history(id).await;
        assert_eq!(deleted.unwrap(), None);
        assert_eq!(scene.metrics().queued_exchanges, 5);
    }
    scene.gate.open();
    scene.recorder().flush().await;
    let metrics = scene.metrics();
    assert_eq!((metrics.written, metrics.captured_bytes), (8, 0));
}

#[tokio::test]
async fn a_flush_waits_for_what_is_threaded_beside_the_batch_that_is_written() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("a", &["one"]).await;
    scene.gate.was_asked(1).await;
    scene.gate.answers_recalls.send_replace(false);
    let asked = scene.gate.recalls();
    scene.ask("b", &["two"]).await;
    until("a look-up", || scene.gate.recalls() > asked).await;
    let recorder = scene.recorder();
    let mut flush = std::pin::pin!(recorder.flush());
    assert!(futures_util::poll!(&mut flush).is_pending());
    scene.gate.open();
    until("a write", || scene.metrics().written == 1).await;
    assert!(futures_util::poll!(&mut flush).is_pending());
    scene.gate.answers_recalls.send_replace(true);
    tokio::time::timeout(LONGEST, flush).await.unwrap();
    assert_eq!(scene.metrics().written, 2);
}
