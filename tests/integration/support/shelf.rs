//! A store in memory that does as it is told: it takes rows, blocks, fails, refuses or panics.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync::watch;
use tower_recording::{
    Recorder, RecordingLayer, RecordingLayerBuilder,
    store::{ExchangeRows, Store, StoreError, StoreFuture, UnixMillis},
};

/// What a [`Shelf`] does when it is asked to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes the rows.
    Willing,
    /// It answers when its mood changes.
    Blocked,
    /// It says that it is away, which passes.
    Away,
    /// It refuses every batch that holds an exchange of this session.
    Refusing(&'static str),
    /// It panics before it returns a future.
    Panicking,
    /// The future that it returns panics.
    PanickingLater,
}

/// A store in memory that does as it is told.
#[derive(Debug)]
pub struct Shelf {
    mood: watch::Sender<Mood>,
    asked: watch::Sender<u64>,
    maintained: AtomicBool,
    attempts: Mutex<Vec<Vec<ExchangeRows>>>,
    rows: Mutex<Vec<ExchangeRows>>,
    rejects: Mutex<Vec<ExchangeRows>>,
}

impl Shelf {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            mood: watch::Sender::new(Mood::Willing),
            asked: watch::Sender::new(0),
            maintained: AtomicBool::new(true),
            attempts: Mutex::default(),
            rows: Mutex::default(),
            rejects: Mutex::default(),
        })
    }

    /// Settings for a layer that records onto this shelf.
    pub fn layer(self: &Arc<Self>) -> RecordingLayerBuilder {
        RecordingLayer::with_store(Arc::clone(self) as Arc<dyn Store>)
    }

    /// Lets maintenance begin and never end.
    pub fn never_maintain(&self) {
        self.maintained.store(false, SeqCst);
    }

    pub fn turn(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Waits until the store was asked to write so many times in all.
    pub async fn was_asked(&self, times: u64) {
        let mut asked = self.asked.subscribe();
        tokio::time::timeout(
            Duration::from_secs(20),
            asked.wait_for(|so_far| *so_far >= times),
        )
        .await
        .expect("a write in time")
        .expect("a shelf");
    }

    /// What was written so far, taken off the shelf.
    pub async fn take(&self, recorder: &Recorder) -> Vec<ExchangeRows> {
        recorder.flush().await;
        std::mem::take(&mut self.rows.lock().expect("rows"))
    }

    /// The one exchange that was written.
    pub async fn only(&self, recorder: &Recorder) -> ExchangeRows {
        let mut rows = self.take(recorder).await;
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows.remove(0)
    }

    /// Every batch that it was asked to write, taken or not.
    pub fn attempts(&self) -> Vec<Vec<ExchangeRows>> {
        self.attempts.lock().expect("attempts").clone()
    }

    /// Whether an exchange of this session stands on the shelf.
    pub fn has_written(&self, session: &str) -> bool {
        let rows = self.rows.lock().expect("rows");
        rows.iter()
            .any(|rows| rows.conversation.session_id == session)
    }

    /// What was refused and put aside so far.
    pub fn rejects(&self) -> Vec<ExchangeRows> {
        self.rejects.lock().expect("rejects").clone()
    }

    async fn keep(&self, batch: &[ExchangeRows]) -> Result<(), StoreError> {
        let mut mood = self.mood.subscribe();
        let mood = mood.wait_for(|mood| *mood != Mood::Blocked).await;
        match *mood.expect("a shelf") {
            Mood::Away => return Err(StoreError::Unavailable("away".into())),
            Mood::PanickingLater => panic!("the shelf breaks"),
            Mood::Refusing(session)
                if batch
                    .iter()
                    .any(|rows| rows.conversation.session_id == session) =>
            {
                return Err(StoreError::Refused("no room for this".into()));
            }
            _ => {}
        }
        self.rows.lock().expect("rows").extend_from_slice(batch);
        Ok(())
    }
}

fn nothing<T: Default + Send + 'static>() -> StoreFuture<'static, T> {
    Box::pin(std::future::ready(Ok(T::default())))
}

impl Store for Shelf {
    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        self.attempts.lock().expect("attempts").push(batch.to_vec());
        self.asked.send_modify(|asked| *asked += 1);
        assert_ne!(*self.mood.borrow(), Mood::Panicking, "the shelf breaks");
        Box::pin(self.keep(batch))
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, _: &'a str) -> StoreFuture<'a, ()> {
        self.rejects.lock().expect("rejects").push(exchange.clone());
        nothing()
    }

    fn maintain(&self, _: UnixMillis) -> StoreFuture<'_, ()> {
        if self.maintained.load(SeqCst) {
            nothing()
        } else {
            Box::pin(std::future::pending())
        }
    }
}
