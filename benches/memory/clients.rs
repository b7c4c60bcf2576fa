//! The clients: each sends its next request when the last answer is whole.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::body::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::traffic::{self, Kind};

pub const CONNECTIONS: usize = 64;

/// Loads the server so long, after a warm-up, and says how many requests were answered a second.
///
/// # Panics
/// Where an answer's bytes are not the right ones.
pub async fn run(
    address: SocketAddr,
    kind: Kind,
    whole: Bytes,
    warm_up: Duration,
    measured: Duration,
) -> f64 {
    let answered = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + warm_up + measured;
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (answered, whole) = (Arc::clone(&answered), whole.clone());
        clients.spawn(async move {
            let mut sender = connect(address).await;
            while Instant::now() < end {
                let mut answer = send(&mut sender, kind, number).await;
                let mut left = &whole[..];
                while let Some(frame) = answer.frame().await {
                    if let Ok(data) = frame.expect("a whole answer").into_data() {
                        left = left.strip_prefix(&data[..]).expect("the right bytes");
                    }
                }
                assert!(left.is_empty(), "an answer is {} bytes short", left.len());
                answered.fetch_add(1, Relaxed);
            }
        });
    }
    tokio::time::sleep(warm_up).await;
    let (began, before) = (Instant::now(), answered.load(Relaxed));
    tokio::time::sleep(measured).await;
    let (spent, after) = (began.elapsed(), answered.load(Relaxed));
    while let Some(client) = clients.join_next().await {
        client.expect("a client that got its answers");
    }
    (after - before) as f64 / spent.as_secs_f64()
}

pub async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

/// The answer to one request of this client.
pub async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    kind: Kind,
    client: usize,
) -> hyper::body::Incoming {
    let mut request = Request::post("/v1/chat/completions")
        .header(header::HOST, "gateway.example")
        .header(header::USER_AGENT, "OpenAI/Python 1.99.0")
        .header(header::AUTHORIZATION, "Bearer sk-0123456789abcdef")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-session-id", format!("session-{client}"))
        .header("x-user-id", "ada");
    if kind == Kind::Sse {
        request = request.header(header::ACCEPT, "text/event-stream");
    }
    let request = request.body(Full::new(traffic::request(kind)));
    sender.ready().await.expect("a connection that is kept");
    let answer = sender.send_request(request.expect("a request")).await;
    answer.expect("an answer").into_body()
}
