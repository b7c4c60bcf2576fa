//! A writer that is told to end while two batches are under way.

use super::*;

#[tokio::test]
async fn at_the_deadline_a_batch_that_was_threaded_ahead_is_dropped_and_not_unknown() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("a", &["one"]).await;
    scene.gate.was_asked(1).await;
    scene.ask_ahead("b", &["two"]).await;
    scene.ask("c", &["three"]).await;
    is_left(&scene, 3).await;
}

#[tokio::test]
async fn at_the_deadline_a_batch_that_is_being_threaded_is_dropped_and_not_unknown() {
    let scene = Scene::new(1, LONGEST);
    scene.gate.let_through(0);
    scene.ask("a", &["one"]).await;
    scene.gate.was_asked(1).await;
    scene.gate.answers_recalls.send_replace(false);
    let asked = scene.gate.recalls();
    scene.ask("b", &["two"]).await;
    until("a look-up", || scene.gate.recalls() > asked).await;
    is_left(&scene, 2).await;
}

/// Shuts down, and sees that so many exchanges are left, of which the one that is being written may
/// stand there.
async fn is_left(scene: &Scene, exchanges: u64) {
    let report = scene.recorder().shutdown(Duration::from_millis(50)).await;
    assert_eq!((report.written, report.left), (0, exchanges));
    let metrics = scene.metrics();
    assert_eq!(metrics.unknown, 1);
    assert_eq!(metrics.dropped_shutdown, exchanges - 1);
    assert_eq!((metrics.pending(), metrics.captured_bytes), (0, 0));
}
