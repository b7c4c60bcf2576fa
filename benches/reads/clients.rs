//! Many who ask at once: in waves, so that each waits for its turn among the others, whoever asks.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use axum::Router;
use futures_util::future::join_all;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::{
    backend::Database,
    plain::{Messages, Plain},
    route::Asked,
};

pub const CLIENTS: usize = 32;
/// The waves of a round.
const WAVES: usize = 20;

/// What is asked in the waves of a round, one question a client.
pub fn waves(mut draw: impl FnMut() -> Asked) -> Vec<Vec<Asked>> {
    let mut wave = |_| (0..CLIENTS).map(|_| draw()).collect();
    (0..WAVES).map(&mut wave).collect()
}

/// Asks the API. Gives what every answer took from the beginning of its wave, in milliseconds.
pub async fn ask_api(api: &Router, waves: &[Vec<Asked>]) -> Vec<f64> {
    let mut times = Vec::new();
    for wave in waves {
        let began = Instant::now();
        let clients = wave.iter().map(|asked| {
            let answer = api.clone().oneshot(asked.request());
            tokio::spawn(async move {
                let answer = answer.await.expect("infallible");
                let status = answer.status();
                let body = answer.into_body().collect().await.expect("a body");
                let took = ms(began.elapsed());
                assert_eq!(status, StatusCode::OK, "{:?}", body.to_bytes());
                took
            })
        });
        let answers = join_all(clients).await.into_iter();
        times.extend(answers.map(|took| took.expect("a client that goes on")));
    }
    times
}

/// What an answer took from the beginning of its wave, in milliseconds, and how many rows it has.
pub type Answered = (f64, usize);

/// Programs that ask by plain SQL, each with a connection and a thread of its own.
pub struct Askers(Vec<(Runtime, Plain)>);

impl Askers {
    pub fn new(database: &Database, messages: Messages) -> Self {
        let asker = |_| {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            let plain = runtime.block_on(Plain::new(database, messages));
            (runtime, plain)
        };
        Self((0..CLIENTS).map(asker).collect())
    }

    /// Asks, and gives the answers wave by wave.
    pub fn ask(&mut self, waves: &[Vec<Asked>]) -> Vec<Answered> {
        let wave = Barrier::new(CLIENTS);
        let began = Instant::now();
        let asked: Vec<Vec<(Duration, Duration, usize)>> = thread::scope(|scope| {
            let clients = self.0.iter_mut().enumerate();
            let clients: Vec<_> = clients
                .map(|(client, (runtime, plain))| {
                    let wave = &wave;
                    scope.spawn(move || {
                        let ask = |asked: &Vec<Asked>| {
                            wave.wait();
                            let asked_at = began.elapsed();
                            let rows = runtime.block_on(plain.ask(&asked[client].question));
                            (asked_at, began.elapsed(), rows)
                        };
                        waves.iter().map(ask).collect()
                    })
                })
                .collect();
            let clients = clients.into_iter().map(|client| client.join());
            clients
                .map(|client| client.expect("a client that goes on"))
                .collect()
        });
        let of_wave = |wave: usize| {
            let of_wave = asked.iter().map(move |client| client[wave]);
            let first = of_wave.clone().map(|(asked_at, ..)| asked_at).min();
            let first = first.unwrap_or_default();
            of_wave.map(move |(_, answered_at, rows)| (ms(answered_at - first), rows))
        };
        (0..waves.len()).flat_map(of_wave).collect()
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
