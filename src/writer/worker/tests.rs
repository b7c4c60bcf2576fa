//! A whole recorder on an SQLite file whose batches are written when the test says so.

mod ahead;
mod ends;
mod trouble;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tokio::sync::watch;
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    RecordingBody, RecordingLayer,
    id::Id,
    metrics::Metrics,
    recorder::Recorder,
    store::{
        ExchangeRows, Recall, Recalled, Recorded, Store, StoreError, StoreFuture, StoreOptions,
        UnixMillis, open,
    },
    thread::branch,
};

const LONGEST: Duration = Duration::from_secs(20);

/// What becomes of a batch that is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    /// The database is away.
    Away,
    /// It refuses what holds this text.
    RefusedWith(&'static str),
}

/// An SQLite database behind a gate.
#[derive(Debug)]
struct Gate {
    store: Arc<dyn Store>,
    /// Batches that it was asked to write, in order.
    attempts: Mutex<Vec<Vec<ExchangeRows>>>,
    /// So many of them are let through.
    let_through: watch::Sender<usize>,
    fate: Mutex<Fate>,
    recalls: Mutex<usize>,
    answers_recalls: watch::Sender<bool>,
}

impl Gate {
    fn attempts(&self) -> Vec<Vec<ExchangeRows>> {
        self.attempts.lock().unwrap().clone()
    }

    fn recalls(&self) -> usize {
        *self.recalls.lock().unwrap()
    }

    fn let_through(&self, attempts: usize) {
        self.let_through.send_replace(attempts);
    }

    fn open(&self) {
        self.let_through(usize::MAX);
    }

    fn decide(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }

    /// Waits until it was asked to write so many batches.
    async fn was_asked(&self, attempts: usize) {
        until("a batch", || self.attempts().len() >= attempts).await;
    }
}

impl Store for Gate {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.store.prepare(now)
    }

    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        self.store.secret()
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.record(batch).await.map(drop) })
    }

    fn record<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, Recorded> {
        let mut attempts = self.attempts.lock().unwrap();
        attempts.push(batch.to_vec());
        let attempt = attempts.len();
        Box::pin(async move {
            let mut let_through = self.let_through.subscribe();
            let through = let_through.wait_for(|through| *through >= attempt).await;
            drop(through.unwrap());
            let fate = *self.fate.lock().unwrap();
            let holds = |text: &str| {
                let mut messages = batch.iter().flat_map(|rows| &rows.messages);
                messages.any(|message| message.content == text)
            };
            match fate {
                Fate::Away => Err(StoreError::Unavailable("away".to_owned())),
                Fate::RefusedWith(text) if holds(text) => {
                    Err(StoreError::Refused("refused".to_owned()))
                }
                _ => self.store.record(batch).await,
            }
        })
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        self.store.reject(exchange, reason)
    }

    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        *self.recalls.lock().unwrap() += 1;
        Box::pin(async move {
            let mut answers = self.answers_recalls.subscribe();
            drop(answers.wait_for(|answers| *answers).await.unwrap());
            self.store.recall(wanted).await
        })
    }

    fn delete_conversation(
        &self,
        id: Id,
        at: UnixMillis,
    ) -> StoreFuture<'_, Option<crate::store::Deleted>> {
        self.store.delete_conversation(id, at)
    }
}

/// A recorder, and the gate that it writes through.
struct Scene {
    gate: Arc<Gate>,
    layer: RecordingLayer,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// With batches of so many exchanges of two rows. One that is not full is written when it is
    /// flushed, or after `patience`.
    fn new(exchanges: usize, patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dsn = format!("sqlite:{}", folder.path().join("test.db").display());
        let gate = Arc::new(Gate {
            store: open(&dsn.parse().unwrap(), None, &StoreOptions::default()).unwrap(),
            attempts: Mutex::default(),
            let_through: watch::Sender::new(usize::MAX),
            fate: Mutex::new(Fate::Written),
            recalls: Mutex::default(),
            answers_recalls: watch::Sender::new(true),
        });
        let layer = RecordingLayer::with_store(Arc::clone(&gate) as Arc<dyn Store>)
            .batch_rows(2 * exchanges)
            .flush_interval(patience)
            .build()
            .unwrap();
        Self {
            gate,
            layer,
            _folder: folder,
        }
    }

    fn recorder(&self) -> Recorder {
        self.layer.recorder()
    }

    fn metrics(&self) -> Metrics {
        self.recorder().metrics()
    }

    /// One exchange: what was said, of the user and of the model in turn, and the answer to it, which
    /// is `re: ` and the question.
    async fn ask(&self, session: &str, said: &[&str]) {
        let roles = ["user", "assistant"].into_iter().cycle();
        let messages = said.iter().zip(roles);
        let messages: Vec<_> = messages
            .map(|(text, role)| json!({"role": role, "content": text}))
            .collect();
        let answer = format!("re: {}", said.last().unwrap());
        let service = service_fn(move |request: Request<RecordingBody<Full<Bytes>>>| {
            let message = json!({"role": "assistant", "content": answer});
            async move {
                let Ok(_) = request.into_body().collect().await;
                let body = json!({"choices": [{"index": 0, "message": message}]}).to_string();
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body)))
            }
        });
        let mut request = Request::post("/v1/chat/completions").header("x-user-id", "ada");
        if !session.is_empty() {
            request = request.header("x-session-id", session);
        }
        let body = json!({"model": "m", "messages": messages}).to_string();
        let request = request.body(Full::from(body)).unwrap();
        let Ok(response) = self.layer.layer(service).oneshot(request).await;
        let Ok(_) = response.into_body().collect().await;
    }

    /// The same, of a batch that is full then; waits until it is threaded.
    async fn ask_ahead(&self, session: &str, said: &[&str]) {
        let before = self.metrics().threading_nanos;
        self.ask(session, said).await;
        let is_threaded = || self.metrics().threading_nanos > before;
        until("threading", is_threaded).await;
    }

    /// Waits until a writer has all that was said.
    async fn is_taken(&self) {
        until("a writer", || self.metrics().queued_exchanges == 0).await;
    }

    /// What is read of the one conversation of this name.
    async fn read(&self, session: &str) -> Vec<String> {
        let store = &self.gate.store;
        let found = store.conversations_named("", session).await.unwrap();
        assert_eq!(found.len(), 1);
        let page = branch::page(&**store, found[0].id, None, 50).await.unwrap();
        let rows = page.data.into_iter();
        rows.map(|row| row.message.content).collect()
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONGEST, "no {what} in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
