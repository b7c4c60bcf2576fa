//! The load: clients that cost less than the server, so that the server is what is measured.
//!
//! A hyper client needs about as much of a core as a hyper server: with one, the server's core was
//! a third idle. So each of these sends the same bytes again, and reads by length.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::traffic::{self, Kind};

pub const CONNECTIONS: usize = 64;

/// Loads the server so long, after a warm-up, and says how many requests were answered a second.
///
/// # Panics
/// Where an answer is not like the first one, whose body must be `whole`.
pub async fn run(
    address: SocketAddr,
    kind: Kind,
    whole: &[u8],
    warm_up: Duration,
    measured: Duration,
) -> f64 {
    let first = first_answer(address, kind).await;
    assert_eq!(body(&first), whole, "the right bytes");
    let answered = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + warm_up + measured;
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (answered, first) = (Arc::clone(&answered), first.clone());
        clients.spawn(async move {
            let request = request(kind, number);
            let mut stream = connect(address).await;
            let mut answer = vec![0; first.len().max(64 << 10)];
            while Instant::now() < end {
                stream.write_all(&request).await.expect("a server");
                let mut filled = 0;
                while filled < first.len() {
                    let read = stream.read(&mut answer[filled..]).await.expect("a server");
                    assert!(read > 0, "a whole answer");
                    filled += read;
                }
                let (head, tail) = (..12, first.len() - 12..);
                assert_eq!(filled, first.len(), "an answer as long as the first");
                assert_eq!(answer[head], first[head], "status");
                assert_eq!(answer[tail.start..filled], first[tail], "the end");
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

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    stream
}

/// The first answer as it comes over the wire, read until the server is silent.
async fn first_answer(address: SocketAddr, kind: Kind) -> Vec<u8> {
    let mut stream = connect(address).await;
    let request = request(kind, CONNECTIONS);
    stream.write_all(&request).await.expect("a server");
    let mut answer = Vec::new();
    let silence = Duration::from_millis(100);
    while let Ok(read) = tokio::time::timeout(silence, stream.read_buf(&mut answer)).await {
        assert!(read.expect("a server") > 0, "a connection that is kept");
    }
    answer
}

/// The body of an answer, its chunks put together.
fn body(answer: &[u8]) -> Vec<u8> {
    let (head, mut rest) = split(answer, b"\r\n\r\n");
    let head = String::from_utf8_lossy(head);
    if !head.contains("transfer-encoding: chunked") {
        return rest.to_vec();
    }
    let mut body = Vec::new();
    loop {
        let (size, after) = split(rest, b"\r\n");
        let size = std::str::from_utf8(size).expect("a size");
        let (chunk, after) = after.split_at(usize::from_str_radix(size, 16).expect("a size"));
        if chunk.is_empty() {
            return body;
        }
        body.extend(chunk);
        rest = after.strip_prefix(b"\r\n").expect("the end of a chunk");
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> (&'a [u8], &'a [u8]) {
    let position = bytes.windows(at.len()).position(|window| window == at);
    let (before, after) = bytes.split_at(position.expect("a well-formed answer"));
    (before, &after[at.len()..])
}

fn request(kind: Kind, client: usize) -> Vec<u8> {
    let body = traffic::request(kind);
    let accept = match kind {
        Kind::Json => "",
        Kind::Sse => "accept: text/event-stream\r\n",
    };
    let mut request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.example\r\n\
         user-agent: OpenAI/Python 1.99.0\r\nauthorization: Bearer sk-0123456789abcdef\r\n\
         content-type: application/json\r\n{accept}x-session-id: session-{client}\r\n\
         x-user-id: ada\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(&body);
    request
}
