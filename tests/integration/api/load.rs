//! Many requests at once, and much to answer with.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use futures_util::{future::join_all, poll};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::{
    Id, RecordingLayer,
    api::{self, StaticKeys},
    store::{Conversation, ExchangeRows, Store, StoreFuture},
};

use super::fixture::{ALICE, BOB, Fixture, IP, KEYS};
use crate::support::{Mood, Shelf, chat_completion};

const AT_A_TIME: usize = 8;
const OF_ONE: usize = AT_A_TIME / 2;
/// A read waits no longer for what was accepted before it.
const SETTLES_AT_MOST: Duration = Duration::from_secs(1);

/// Finds nothing, once it is open; until then it does not answer.
#[derive(Debug)]
struct Shut {
    open: watch::Sender<bool>,
    asked: watch::Sender<usize>,
    most: AtomicUsize,
}

impl Store for Shut {
    fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn conversation(&self, _: Id) -> StoreFuture<'_, Option<Conversation>> {
        Box::pin(async {
            self.asked.send_modify(|asked| *asked += 1);
            self.most.fetch_max(*self.asked.borrow(), SeqCst);
            let mut open = self.open.subscribe();
            open.wait_for(|open| *open).await.unwrap();
            self.asked.send_modify(|asked| *asked -= 1);
            Ok(None)
        })
    }
}

fn get(path: &str) -> Request<Body> {
    get_as(ALICE, path)
}

fn get_as(key: &str, path: &str) -> Request<Body> {
    Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .body(Body::empty())
        .unwrap()
}

fn api(layer: &RecordingLayer) -> Router {
    let keys: StaticKeys = KEYS.parse().unwrap();
    api::router(layer.recorder(), keys)
}

#[tokio::test]
async fn who_waits_too_long_for_his_turn_is_told_to_come_again() {
    let store = Arc::new(Shut {
        open: watch::Sender::new(false),
        asked: watch::Sender::new(0),
        most: AtomicUsize::new(0),
    });
    let shared: Arc<dyn Store> = Arc::<Shut>::clone(&store);
    let api = api(&RecordingLayer::with_store(shared).build().unwrap());
    let turns: Vec<_> = [ALICE, BOB]
        .into_iter()
        .flat_map(|key| [key; OF_ONE])
        .map(|key| tokio::spawn(api.clone().oneshot(get_as(key, "/conversations/s"))))
        .collect();
    let mut asked = store.asked.subscribe();
    asked.wait_for(|asked| *asked == AT_A_TIME).await.unwrap();
    let late = [[IP; OF_ONE], [ALICE; OF_ONE]].concat();
    let late = late.into_iter().map(async |key| {
        let late = api.clone().oneshot(get_as(key, "/conversations/s")).await;
        (key, late.unwrap())
    });
    for (key, late) in join_all(late).await {
        let status = match key {
            ALICE => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        assert_eq!(late.status(), status);
        assert_eq!(late.headers()[header::RETRY_AFTER], "1");
    }
    store.open.send_replace(true);
    for turn in turns {
        let answer = turn.await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
    let again = api.oneshot(get("/conversations/s")).await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    assert_eq!(store.most.load(SeqCst), AT_A_TIME);
}

#[tokio::test]
async fn a_store_that_never_answers_keeps_no_turn() {
    let store = Arc::new(Shut {
        open: watch::Sender::new(false),
        asked: watch::Sender::new(0),
        most: AtomicUsize::new(0),
    });
    let shared: Arc<dyn Store> = Arc::<Shut>::clone(&store);
    let api = api(&RecordingLayer::with_store(shared).build().unwrap());
    let begun = Instant::now();
    let hung = [[ALICE; OF_ONE], [BOB; OF_ONE]].concat().into_iter();
    let hung = hung.map(|key| api.clone().oneshot(get_as(key, "/conversations/s")));
    for hung in join_all(hung).await {
        let hung = hung.unwrap();
        assert_eq!(hung.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(hung.headers()[header::RETRY_AFTER], "1");
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    store.open.send_replace(true);
    let begun = Instant::now();
    let again = api.oneshot(get("/conversations/s")).await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_page_ends_at_16_mib_of_text() {
    let fixture = Fixture::new();
    let text = "x".repeat(5 << 20);
    for _ in 0..2 {
        fixture.chat("s", Some("alice"), &text).await;
    }
    fixture.flush().await;
    for path in [
        "/conversations/s?limit=500",
        "/conversations/s?limit=500&tree=true",
    ] {
        let (status, shown) = fixture.get(ALICE, path).await;
        assert_eq!(status, StatusCode::OK);
        let messages = shown["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 3, "{path}");
        assert_eq!(shown["has_more"], true);
        assert_eq!(messages[2]["role"], "assistant");
    }
}

#[tokio::test]
async fn a_page_ends_at_16_mib_of_json_whatever_it_writes_with_six_bytes() {
    let fixture = Fixture::new();
    let text = "\u{1}".repeat(1 << 20);
    for _ in 0..2 {
        fixture.chat("s", Some("alice"), &text).await;
    }
    fixture.flush().await;
    for path in ["/conversations/s", "/conversations/s?tree=true"] {
        let answer = fixture.api.clone().oneshot(get(path)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        assert!((12 << 20..16 << 20).contains(&answer.len()), "{path}");
        let shown: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
        assert_eq!(shown["has_more"], true);
        assert_eq!(shown["messages"][0]["content"], text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_poll_do_not_leave_a_transaction_an_exchange() {
    const CLIENTS: usize = 8;
    const TURNS: usize = 25;
    let shelf = Shelf::new();
    let layer = shelf.layer().build().unwrap();
    let (recorder, api) = (layer.recorder(), api(&layer));
    let model = layer.layer(service_fn(async |_| {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::from("{}")))
    }));
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let (model, api, shelf) = (model.clone(), api.clone(), Arc::clone(&shelf));
        tokio::spawn(async move {
            for turn in 0..TURNS {
                let session = format!("client {client}, turn {turn}");
                let said = chat_completion(&session, "{}");
                let answer = model.clone().oneshot(said).await.unwrap();
                answer.into_body().collect().await.unwrap();
                let asked = Instant::now();
                api.clone().oneshot(get("/conversations/s")).await.unwrap();
                assert!(shelf.has_written(&session) || asked.elapsed() >= SETTLES_AT_MOST);
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    let metrics = recorder.metrics();
    assert_eq!(metrics.written, (CLIENTS * TURNS) as u64);
    let flushes = began.elapsed().as_millis() / 20;
    let intervals = began.elapsed().as_millis() / 100;
    let most = u64::try_from(flushes + intervals).unwrap() + 3;
    assert!(metrics.batches <= most, "{} of {most}", metrics.batches);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn who_asks_while_a_flush_is_under_way_waits_for_the_next_one() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().unwrap();
    let api = api(&layer);
    let model = layer.layer(service_fn(async |_| {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::from("{}")))
    }));
    let say = async |session: &str| {
        let said = chat_completion(session, "{}");
        let answer = model.clone().oneshot(said).await.unwrap();
        answer.into_body().collect().await.unwrap();
    };
    shelf.turn(Mood::Blocked);
    say("said first").await;
    let first = tokio::spawn(api.clone().oneshot(get("/conversations/s")));
    shelf.was_asked(1).await;
    say("said second").await;
    let asked = Instant::now();
    let mut second = pin!(api.clone().oneshot(get("/conversations/s")));
    assert!(poll!(&mut second).is_pending());
    shelf.turn(Mood::Willing);
    second.await.unwrap();
    assert!(shelf.has_written("said second") || asked.elapsed() >= SETTLES_AT_MOST);
    first.await.unwrap().unwrap();
}
