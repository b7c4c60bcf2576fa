//! Many who ask at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use axum::Router;
use futures_util::future::join_all;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::{backend::Database, plain::Plain, route::Asked};

pub const CLIENTS: usize = 32;
/// What each asks in a round.
const REQUESTS: usize = 20;

/// What all of them ask in a round, each its own list.
pub fn questions(mut draw: impl FnMut() -> Asked) -> Vec<Vec<Asked>> {
    let mut list = |_| (0..REQUESTS).map(|_| draw()).collect();
    (0..CLIENTS).map(&mut list).collect()
}

/// Asks the API: each list is a client's. Gives what every answer took, in milliseconds.
pub async fn ask_api(api: &Router, asked: Vec<Vec<Asked>>) -> Vec<f64> {
    let clients = asked.into_iter().map(|asked| {
        let api = api.clone();
        tokio::spawn(async move {
            let mut times = Vec::new();
            for asked in asked {
                let request = asked.request();
                let began = Instant::now();
                let answer = api.clone().oneshot(request).await.expect("infallible");
                let status = answer.status();
                let body = answer.into_body().collect().await.expect("a body");
                times.push(ms(began.elapsed()));
                assert_eq!(status, StatusCode::OK, "{:?}", body.to_bytes());
            }
            times
        })
    });
    let times = join_all(clients).await.into_iter();
    times
        .flat_map(|times| times.expect("a client that goes on"))
        .collect()
}

/// Clients of the table, each with a connection and a thread of its own.
pub struct Askers(Vec<(Runtime, Plain)>);

impl Askers {
    pub fn new(database: &Database) -> Self {
        let asker = |_| {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            let plain = runtime.block_on(Plain::new(database));
            (runtime, plain)
        };
        Self((0..CLIENTS).map(asker).collect())
    }

    /// Asks the table: each list is a client's. Gives what every answer took, in milliseconds.
    pub fn ask(&mut self, asked: &[Vec<Asked>]) -> Vec<f64> {
        thread::scope(|scope| {
            let clients = self.0.iter_mut().zip(asked);
            let clients: Vec<_> = clients
                .map(|((runtime, plain), asked)| {
                    scope.spawn(move || {
                        let ask = |asked: &Asked| {
                            let began = Instant::now();
                            runtime.block_on(plain.ask(&asked.question));
                            ms(began.elapsed())
                        };
                        asked.iter().map(ask).collect::<Vec<_>>()
                    })
                })
                .collect();
            let times = clients.into_iter().map(|client| client.join());
            times
                .flat_map(|times| times.expect("a client that goes on"))
                .collect()
        })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
