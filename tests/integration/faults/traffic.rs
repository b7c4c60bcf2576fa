//! A gateway's traffic over the layer, and what was said in it.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use axum::body::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};
use tower::{Layer, Service, service_fn};
use tower_recording::{Metrics, Recorder, RecordingBody, RecordingLayer, RecordingLayerBuilder};

use super::clock::Moved;

const ANSWER: &str = r#"{"id":"r","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"heard"}}],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#;
const FAILURE: &str = r#"{"error":{"message":"slow down","type":"rate_limit","code":"busy"}}"#;
/// What is said with this word is answered with an error.
const FAILS: &str = "fails";

/// Between two exchanges of a client.
const PACE: Duration = Duration::from_millis(10);
/// Clients are silent while so many exchanges wait: the queue holds more.
const MOST_PENDING: u64 = 1000;
/// No database makes an exchange take so long; a busy machine does not either.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A layer over a database, its traffic, and what was said in it.
#[derive(Clone)]
pub(super) struct Traffic {
    layer: RecordingLayer,
    said: Arc<Mutex<Vec<String>>>,
}

impl Traffic {
    /// As a gateway records into this database.
    pub(super) fn into(dsn: &str) -> Self {
        Self::through(RecordingLayer::new(dsn))
    }

    /// The same at another time.
    pub(super) fn at(clock: &Arc<Moved>) -> Self {
        Self::with(clock, |settings| settings)
    }

    /// The same with settings.
    pub(super) fn with(
        clock: &Arc<Moved>,
        settings: impl FnOnce(RecordingLayerBuilder) -> RecordingLayerBuilder,
    ) -> Self {
        let builder = RecordingLayer::with_store(Arc::<Moved>::clone(clock));
        Self::through(settings(builder).build().expect("a layer"))
    }

    fn through(layer: RecordingLayer) -> Self {
        Self {
            layer,
            said: Arc::default(),
        }
    }

    /// One exchange, in which the client gets its answer whole and in time.
    pub(super) async fn say(&self, session: &str, text: &str) {
        self.say_as("user", session, text).await;
    }

    /// The same, as one who is not the user.
    pub(super) async fn say_as(&self, role: &str, session: &str, text: &str) {
        let said = exchange(&self.layer, role, session, text);
        let said = timeout(LONGEST_EXCHANGE, said).await;
        said.expect("an exchange in time");
        self.said.lock().expect("a list").push(text.to_owned());
    }

    /// So many exchanges of this name, in so many conversations; every seventh fails.
    pub(super) async fn say_all(&self, name: &str, exchanges: usize, conversations: usize) {
        for number in 0..exchanges {
            let session = format!("{name}-{}", number % conversations);
            self.say(&session, &text(name, number)).await;
        }
    }

    /// Clients that talk, each in a conversation of its own, until they are stopped.
    pub(super) fn flow(&self, name: &str, clients: usize) -> Flow {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..clients)
            .map(|client| {
                let (traffic, stop) = (self.clone(), Arc::clone(&stop));
                let session = format!("{name}-{client}");
                tokio::spawn(async move {
                    let mut pace = interval(PACE);
                    for number in 0.. {
                        if stop.load(SeqCst) {
                            return;
                        }
                        let _ = pace.tick().await;
                        if traffic.metrics().pending() < MOST_PENDING {
                            traffic.say(&session, &text(&session, number)).await;
                        }
                    }
                })
            })
            .collect();
        Flow { stop, clients }
    }

    pub(super) fn metrics(&self) -> Metrics {
        self.layer.recorder().metrics()
    }

    pub(super) fn recorder(&self) -> Recorder {
        self.layer.recorder()
    }

    /// Waits until the counters say so.
    pub(super) async fn until(&self, fact: impl Fn(Metrics) -> bool) {
        let begun = Instant::now();
        while !fact(self.metrics()) {
            assert!(begun.elapsed() < LONGEST_WAIT, "{:?}", self.metrics());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until so many more exchanges are written.
    pub(super) async fn until_written(&self, more: u64) {
        let before = self.metrics().written;
        self.until(|metrics| metrics.written >= before + more).await;
    }

    /// Waits until so many more have ended, or clients are silent for all that waits.
    pub(super) async fn until_said(&self, more: u64) {
        let before = self.metrics().accepted;
        self.until(|now| now.accepted >= before + more || now.pending() >= MOST_PENDING)
            .await;
    }

    pub(super) async fn flush(&self) {
        let flushed = timeout(LONGEST_WAIT, self.layer.recorder().flush()).await;
        assert!(flushed.is_ok(), "{:?}", self.metrics());
    }

    /// Writes what there is, and closes the store.
    pub(super) async fn end(self) {
        let report = self.layer.recorder().shutdown(LONGEST_WAIT).await;
        assert_eq!(report.left, 0);
    }

    /// What was said so far.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().expect("a list").clone()
    }

    /// Waits for what was said to be written, all of it, and says what it was.
    pub(super) async fn written(&self) -> Vec<String> {
        self.flush().await;
        let (metrics, said) = (self.metrics(), self.said());
        assert_eq!(metrics.accepted, said.len() as u64, "{metrics:?}");
        assert_eq!(metrics.written, metrics.accepted, "{metrics:?}");
        assert_eq!(metrics.captured_bytes, 0, "{metrics:?}");
        said
    }
}

/// Clients that talk until they are stopped.
#[must_use]
pub(super) struct Flow {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Flow {
    pub(super) async fn stop(self) {
        self.stop.store(true, SeqCst);
        for client in self.clients {
            client.await.expect("a client that got its answers");
        }
    }
}

/// Waits until this is so.
pub(super) async fn eventually(what: &str, fact: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !fact().await {
        assert!(begun.elapsed() < LONGEST_WAIT, "{what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What is said with this number. Every seventh is answered with an error.
pub(super) fn text(name: &str, number: usize) -> String {
    let fate = if number % 7 == 6 { FAILS } else { "goes" };
    format!("{name}: number {number} {fate}")
}

/// Whether what is said here is answered with an error.
pub(super) fn fails(text: &str) -> bool {
    text.ends_with(FAILS)
}

async fn exchange(layer: &RecordingLayer, role: &str, session: &str, text: &str) {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"{role}","content":"{text}"}}]}}"#);
    let request = Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("x-session-id", session)
        .header("x-user-id", "ada")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let Ok(response) = layer.layer(service_fn(upstream)).call(request).await;
    let Ok(body) = response.into_body().collect().await;
    assert_eq!(body.to_bytes(), if fails(text) { FAILURE } else { ANSWER });
}

async fn upstream(
    request: Request<RecordingBody<Full<Bytes>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(body) = request.into_body().collect().await;
    let asked = body.to_bytes();
    let fails = asked
        .windows(FAILS.len())
        .any(|word| word == FAILS.as_bytes());
    let mut response = Response::new(Full::from(if fails { FAILURE } else { ANSWER }));
    if fails {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    }
    Ok(response)
}
