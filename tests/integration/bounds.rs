//! What is shed when there is more than may be kept, and that the traffic never notices.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use http::{Request, Response, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::watch;
use tower::{Layer, service_fn};
use tower_recording::{
    Recorder, RecordingBody, RecordingLayer, RecordingLayerBuilder, Truncated,
    store::{ExchangeRows, Store, StoreFuture},
};

use crate::support::{HttpClient, chat, client, send, serve};

const QUESTION: &str =
    r#"{"model":"m","messages":[{"role":"user","content":"How much of this is kept?"}]}"#;

/// Keeps what is written in memory, once it is open; until then it does not answer.
#[derive(Debug)]
struct Gated {
    open: watch::Sender<bool>,
    asked: watch::Sender<bool>,
    written: Mutex<Vec<ExchangeRows>>,
}

impl Gated {
    fn new(open: bool) -> Arc<Self> {
        Arc::new(Self {
            open: watch::Sender::new(open),
            asked: watch::Sender::new(false),
            written: Mutex::default(),
        })
    }

    fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until a writer waits.
    async fn asked(&self) {
        let mut asked = self.asked.subscribe();
        let _ = asked.wait_for(|asked| *asked).await.expect("a store");
    }

    fn written(&self) -> Vec<ExchangeRows> {
        self.written.lock().expect("no panic").clone()
    }

    fn sessions(&self) -> Vec<String> {
        let written = self.written();
        let conversations = written.into_iter().map(|rows| rows.conversation);
        conversations
            .map(|conversation| conversation.session_id)
            .collect()
    }
}

impl Store for Gated {
    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.asked.send_replace(true);
            let mut open = self.open.subscribe();
            let _ = open.wait_for(|open| *open).await;
            self.written
                .lock()
                .expect("no panic")
                .extend_from_slice(batch);
            Ok(())
        })
    }
}

/// A server that reads each request whole and always answers the same.
async fn recorded(
    store: &Arc<Gated>,
    settings: impl FnOnce(RecordingLayerBuilder) -> RecordingLayerBuilder,
) -> (SocketAddr, Recorder) {
    let store: Arc<dyn Store> = Arc::<Gated>::clone(store);
    let layer = settings(RecordingLayer::with_store(store)).build();
    let layer = layer.expect("a layer");
    let service = service_fn(|request: Request<RecordingBody<Incoming>>| async {
        let sent = request.into_body().collect().await.expect("a whole body");
        let read = sent.to_bytes().len();
        Ok::<_, Infallible>(
            Response::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .header("x-read", read)
                .body(Full::new(answer()))
                .expect("a response"),
        )
    });
    (serve(layer.layer(service)).await, layer.recorder())
}

fn answer() -> Bytes {
    let words = "word ".repeat(400);
    Bytes::from(format!(
        r#"{{"id":"1","choices":[{{"index":0,"message":{{"role":"assistant","content":"{words}"}}}}]}}"#
    ))
}

/// Sends a chat, and checks that both sides got all of it.
async fn exchange(client: &HttpClient, address: SocketAddr, session: &str) {
    let (head, body) = send(client, chat(address, session, QUESTION)).await;
    assert_eq!(head.headers["x-read"], QUESTION.len().to_string());
    assert_eq!(body, answer());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_cap_the_copy_is_cut_and_the_traffic_is_not() {
    let store = Gated::new(true);
    let (address, recorder) = recorded(&store, |builder| {
        builder.max_request_bytes(60).max_response_bytes(100)
    })
    .await;
    exchange(&client(Version::HTTP_11), address, "cut").await;
    recorder.flush().await;

    let written = store.written();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].exchange.truncated, Truncated::Cap);
    let metrics = recorder.metrics();
    assert_eq!((metrics.written, metrics.truncated_cap), (1, 1));
    let passed = QUESTION.len() + answer().len();
    assert_eq!(metrics.shed_bytes, (passed - 60 - 100) as u64);
    assert_eq!(metrics.captured_bytes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_there_is_no_room_to_read_is_kept_raw_and_counted_once() {
    const RAW: usize = 64 << 10;
    let store = Gated::new(true);
    let (address, recorder) = recorded(&store, |builder| builder.budget_bytes(1 << 20)).await;
    let bomb = format!(r#"{{"messages":[{}]}}"#, vec!["{}"; 30_000].join(","));
    let (head, _) = send(
        &client(Version::HTTP_11),
        chat(address, "bomb", bomb.clone()),
    )
    .await;
    assert_eq!(head.headers["x-read"], bomb.len().to_string());
    recorder.flush().await;

    let written = store.written();
    assert_eq!(written[0].exchange.truncated, Truncated::Budget);
    assert_eq!(written[0].messages[0].content, bomb[..RAW]);
    let metrics = recorder.metrics();
    assert_eq!((metrics.truncated_budget, metrics.truncated_cap), (1, 0));
    assert_eq!(metrics.shed_bytes, (bomb.len() - RAW) as u64);
    assert_eq!(metrics.captured_bytes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_drops_the_newest_and_counts_it() {
    const QUEUE: usize = 8;
    const LATER: usize = 40;
    let store = Gated::new(false);
    let (address, recorder) = recorded(&store, |builder| {
        builder.queue_exchanges(QUEUE).batch_rows(1)
    })
    .await;
    let client = client(Version::HTTP_11);
    exchange(&client, address, "first").await;
    store.asked().await;
    for number in 0..LATER {
        exchange(&client, address, &format!("later-{number}")).await;
    }

    let metrics = recorder.metrics();
    assert_eq!(metrics.accepted, 1 + LATER as u64);
    // One is with the store, the next two are threaded and decoded beside it, and the queue is full.
    let kept = 1 + LATER - metrics.dropped_queue_full as usize;
    assert!((1 + QUEUE..=3 + QUEUE).contains(&kept), "{metrics:?}");
    assert_eq!(metrics.pending(), kept as u64);

    store.open();
    recorder.flush().await;
    let metrics = recorder.metrics();
    assert_eq!(metrics.written, kept as u64);
    assert_eq!(metrics.accepted, metrics.written + metrics.dropped());
    let oldest: Vec<String> = (0..QUEUE).map(|number| format!("later-{number}")).collect();
    let sessions = store.sessions();
    assert_eq!(sessions[0], "first");
    assert_eq!(sessions[1..=QUEUE], oldest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_store_blocked_memory_stays_within_the_budget_and_traffic_flows() {
    const BUDGET: usize = 1 << 20;
    const CLIENTS: usize = 16;
    let store = Gated::new(false);
    let (address, recorder) = recorded(&store, |builder| builder.budget_bytes(BUDGET)).await;
    let end = Instant::now() + Duration::from_secs(2);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let recorder = recorder.clone();
            tokio::spawn(async move {
                let client = client(Version::HTTP_11);
                let (mut answered, mut most) = (0, 0);
                while Instant::now() < end {
                    exchange(&client, address, &number.to_string()).await;
                    answered += 1;
                    most = most.max(recorder.metrics().captured_bytes);
                }
                (answered, most)
            })
        })
        .collect();
    let (mut answered, mut most) = (0, 0);
    for client in clients {
        let (of_client, most_seen) = client.await.expect("a client that got its answers");
        answered += of_client;
        most = most.max(most_seen);
    }
    let metrics = recorder.metrics();
    // Rows are charged when they are made, so a writer may be one exchange over.
    let rows = 2 * (QUESTION.len() + answer().len()) as u64;
    assert!(most <= BUDGET as u64 + rows, "{most} bytes charged");
    assert!(most >= (BUDGET / 2) as u64, "{most} bytes charged");
    assert_eq!(metrics.written, 0);
    assert_eq!(metrics.accepted + metrics.dropped_budget, answered);
    assert!(
        metrics.truncated_budget > 0 || metrics.dropped_budget > 0,
        "{metrics:?}"
    );

    store.open();
    recorder.flush().await;
    let metrics = recorder.metrics();
    assert_eq!(metrics.accepted, metrics.written + metrics.dropped());
    assert_eq!(metrics.captured_bytes, 0);
    assert_eq!(store.written().len() as u64, metrics.written);
}
