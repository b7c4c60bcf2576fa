//! What becomes of exchanges between the queue and the store.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::body::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_recording::{RecordingBody, RecordingLayer};

use crate::support::{Mood, Shelf, chat_completion};

const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

fn said(text: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#)
}

async fn upstream(
    request: Request<RecordingBody<Full<Bytes>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(_) = request.into_body().collect().await;
    Ok(Response::new(Full::from(ANSWER)))
}

async fn ask(layer: &RecordingLayer, session: &str, text: &str) {
    let mut service = layer.layer(service_fn(upstream));
    let request = chat_completion(session, said(text));
    let Ok(service) = service.ready().await;
    let Ok(response) = service.call(request).await;
    let Ok(_) = response.into_body().collect().await;
}

#[tokio::test]
async fn a_batch_whose_fate_is_unknown_is_sent_again_unchanged() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    shelf.turn(Mood::Away);
    for number in 0..3 {
        ask(&layer, "s", &format!("line {number}")).await;
    }
    shelf.was_asked(3).await;
    shelf.turn(Mood::Willing);
    let written = shelf.take(&layer.recorder()).await;
    let attempts = shelf.attempts();
    let first = &attempts[0];
    assert!(attempts.iter().take(3).all(|attempt| attempt == first));
    assert!(written.starts_with(first));
    assert_eq!(written.len(), 3);
    assert!(layer.recorder().metrics().retries >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_is_answered_while_traffic_goes_on() {
    let shelf = Shelf::new();
    let layer = shelf.layer().batch_rows(10).build().expect("a layer");
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = {
        let (layer, stop) = (layer.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let recorder = layer.recorder();
            while !stop.load(SeqCst) {
                // Always something under way, and never more than the queue holds.
                if recorder.metrics().pending() < 100 {
                    ask(&layer, "busy", "more").await;
                }
                tokio::task::yield_now().await;
            }
        })
    };
    for number in 0..20 {
        let session = format!("s{number}");
        ask(&layer, &session, "mine").await;
        let flush = layer.recorder();
        tokio::time::timeout(Duration::from_secs(10), flush.flush())
            .await
            .expect("an answer");
        let written = shelf.take(&layer.recorder()).await;
        let found = written
            .iter()
            .any(|rows| rows.conversation.session_id == session);
        assert!(found, "{:?}", layer.recorder().metrics());
    }
    stop.store(true, SeqCst);
    traffic.await.expect("traffic");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_writers_keep_the_order_of_each_conversation() {
    const TURNS: usize = 200;
    let shelf = Shelf::new();
    let layer = shelf
        .layer()
        .writer_threads(4)
        .batch_rows(7)
        .build()
        .expect("a layer");
    let talks = ["a", "b", "c", "d", "e", "f"].map(|session| {
        let layer = layer.clone();
        tokio::spawn(async move {
            for turn in 0..TURNS {
                ask(&layer, session, &turn.to_string()).await;
            }
        })
    });
    for talk in talks {
        talk.await.expect("a talk");
    }
    let mut turns: HashMap<String, Vec<String>> = HashMap::new();
    for rows in shelf.take(&layer.recorder()).await {
        let said = rows.messages[0].content.clone();
        turns
            .entry(rows.conversation.session_id)
            .or_default()
            .push(said);
    }
    let expected: Vec<String> = (0..TURNS).map(|turn| turn.to_string()).collect();
    assert_eq!(turns.len(), 6);
    assert!(turns.values().all(|turns| *turns == expected));
    let metrics = layer.recorder().metrics();
    assert_eq!((metrics.written, metrics.pending()), (6 * TURNS as u64, 0));
}

#[tokio::test]
async fn every_exchange_is_accounted_for_at_every_moment() {
    let shelf = Shelf::new();
    let layer = shelf
        .layer()
        .queue_exchanges(8)
        .batch_rows(4)
        .build()
        .expect("a layer");
    let recorder = layer.recorder();
    let moods = [Mood::Away, Mood::Refusing("s2"), Mood::Willing];
    let mut asked = 0;
    for mood in moods.into_iter().cycle().take(12) {
        shelf.turn(mood);
        for number in 0..40 {
            ask(&layer, &format!("s{}", number % 4), "x").await;
            asked += 1;
            let metrics = recorder.metrics();
            let settled = metrics.written + metrics.rejected + metrics.dropped();
            assert_eq!(metrics.accepted, asked);
            assert_eq!(settled + metrics.pending(), asked);
            assert!(metrics.pending() <= 8 + 8, "{metrics:?}");
        }
        match mood {
            Mood::Willing | Mood::Refusing(_) => recorder.flush().await,
            _ => shelf.was_asked(shelf.attempts().len() as u64 + 1).await,
        }
    }
    shelf.turn(Mood::Willing);
    recorder.flush().await;
    let metrics = recorder.metrics();
    assert_eq!(
        metrics.written + metrics.rejected + metrics.dropped(),
        asked
    );
    assert!(
        metrics.dropped_queue_full > 0 && metrics.rejected > 0,
        "{metrics:?}"
    );
    assert_eq!((metrics.pending(), metrics.captured_bytes), (0, 0));
}

#[tokio::test]
async fn maintenance_that_hangs_holds_no_write_back() {
    let shelf = Shelf::new();
    shelf.never_maintain();
    let layer = shelf.layer().build().expect("a layer");
    ask(&layer, "s", "hello").await;
    let recorder = layer.recorder();
    let written = tokio::time::timeout(Duration::from_secs(10), shelf.take(&recorder)).await;
    assert_eq!(written.expect("a write in time").len(), 1);
    let report = recorder.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.written, report.left), (1, 0));
}

#[tokio::test]
async fn a_write_under_way_at_the_deadline_is_counted_as_unknown() {
    let shelf = Shelf::new();
    shelf.turn(Mood::Blocked);
    let layer = shelf.layer().build().expect("a layer");
    ask(&layer, "s", "hello").await;
    shelf.was_asked(1).await;
    ask(&layer, "s", "again").await;
    let recorder = layer.recorder();
    let report = recorder.shutdown(Duration::from_millis(100)).await;
    assert_eq!((report.written, report.left), (0, 2));
    let metrics = recorder.metrics();
    assert_eq!((metrics.unknown, metrics.dropped_shutdown), (1, 1));
    assert_eq!((metrics.pending(), metrics.captured_bytes), (0, 0));
}

#[tokio::test]
async fn a_second_shutdown_may_bring_the_deadline_forward() {
    let shelf = Shelf::new();
    shelf.turn(Mood::Blocked);
    let layer = shelf.layer().build().expect("a layer");
    ask(&layer, "s", "hello").await;
    let recorder = layer.recorder();
    let patient = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.shutdown(Duration::MAX).await }
    });
    shelf.was_asked(1).await;
    let hasty = recorder.shutdown(Duration::from_millis(50));
    let hasty = tokio::time::timeout(Duration::from_secs(10), hasty).await;
    assert_eq!(hasty.expect("an end").left, 1);
    let patient = tokio::time::timeout(Duration::from_secs(10), patient).await;
    assert_eq!(patient.expect("an end").expect("a report").left, 1);
}

#[tokio::test]
async fn the_longest_flush_interval_is_no_panic() {
    let shelf = Shelf::new();
    let layer = shelf
        .layer()
        .flush_interval(Duration::MAX)
        .build()
        .expect("a layer");
    ask(&layer, "s", "hello").await;
    assert_eq!(shelf.take(&layer.recorder()).await.len(), 1);
}

#[tokio::test]
async fn debug_output_shows_no_content() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    let mut service = layer.layer(service_fn(
        async |request: Request<RecordingBody<Full<Bytes>>>| {
            let (_, mut body) = request.into_parts();
            let Some(Ok(_)) = body.frame().await else {
                panic!("a frame");
            };
            let told = format!("{body:?}");
            assert!(
                !told.contains("122, 121, 120") && !told.contains("zyx"),
                "{told}"
            );
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(ANSWER)))
        },
    ));
    let Ok(response) = service.call(chat_completion("s", said("zyx"))).await;
    let told = format!("{response:?} {service:?}");
    assert!(
        !told.contains("122, 121, 120") && !told.contains("zyx"),
        "{told}"
    );
}
