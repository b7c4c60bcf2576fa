//! Databases that are away, stuck, picky or broken.

use http::Response;
use tower_recording::Metrics;

use super::{ANSWER, Pair, QUESTION, in_time, post, read};
use crate::support::Mood;

async fn answering() -> Pair {
    Pair::new(async |request| {
        read(request).await?;
        Ok(Response::new(ANSWER.into()))
    })
    .await
}

async fn ask(pair: &Pair, session: &str) {
    let request = post(QUESTION).replace("x-session-id: s", &format!("x-session-id: {session}"));
    assert!(pair.says(&request).await.ends_with(ANSWER));
}

fn assert_accounted(metrics: Metrics) {
    assert_eq!(metrics.pending(), 0);
    assert_eq!(metrics.dropped(), 0);
    assert_eq!(metrics.captured_bytes, 0);
}

#[tokio::test]
async fn a_store_that_panics_harms_no_request_and_recording_goes_on() {
    for mood in [Mood::Panicking, Mood::PanickingLater] {
        let pair = answering().await;
        pair.shelf.turn(mood);
        for session in ["one", "two", "three"] {
            ask(&pair, session).await;
        }
        in_time(pair.recorder.flush()).await;
        assert_eq!(pair.recorder.metrics().rejected, 3);
        assert_eq!(pair.shelf.rejects().len(), 3);

        pair.shelf.turn(Mood::Willing);
        ask(&pair, "four").await;
        let rows = pair.shelf.only(&pair.recorder).await;
        assert_eq!(rows.conversation.session_id, "four");
        assert_accounted(pair.recorder.metrics());
    }
}

#[tokio::test]
async fn an_exchange_that_the_store_refuses_does_not_take_others_with_it() {
    let pair = answering().await;
    pair.shelf.turn(Mood::Refusing("poison"));
    for session in ["one", "poison", "three"] {
        ask(&pair, session).await;
    }
    let rows = pair.shelf.take(&pair.recorder).await;
    let sessions: Vec<_> = rows
        .iter()
        .map(|rows| rows.conversation.session_id.as_str())
        .collect();
    assert_eq!(sessions, ["one", "three"]);
    let rejects = pair.shelf.rejects();
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].conversation.session_id, "poison");
    assert_accounted(pair.recorder.metrics());
}

#[tokio::test]
async fn nothing_follows_an_exchange_that_the_store_refused() {
    let pair = answering().await;
    pair.shelf.turn(Mood::Refusing("poison"));
    ask(&pair, "poison").await;
    in_time(pair.recorder.flush()).await;
    assert_eq!(pair.shelf.rejects().len(), 1);
    pair.shelf.turn(Mood::Willing);
    ask(&pair, "poison").await;
    let messages = pair.shelf.only(&pair.recorder).await.messages;
    let is_written = |parent| messages.iter().any(|row| row.id == parent);
    let mut parents = messages.iter().filter_map(|row| row.parent_id);
    assert!(!messages.is_empty() && parents.all(is_written));
}

#[tokio::test]
async fn requests_flow_while_the_store_is_away_or_stuck_and_are_written_later() {
    for mood in [Mood::Away, Mood::Blocked] {
        let pair = answering().await;
        pair.shelf.turn(mood);
        ask(&pair, "one").await;
        pair.shelf.was_asked(1).await;
        for session in ["two", "three"] {
            ask(&pair, session).await;
        }
        let metrics = pair.recorder.metrics();
        assert_eq!((metrics.accepted, metrics.written), (3, 0));

        pair.shelf.turn(Mood::Willing);
        let rows = in_time(pair.shelf.take(&pair.recorder)).await;
        let sessions: Vec<_> = rows
            .iter()
            .map(|rows| rows.conversation.session_id.as_str())
            .collect();
        assert_eq!(sessions, ["one", "two", "three"]);
        assert_accounted(pair.recorder.metrics());
    }
}
