//! Connections that become something else than HTTP.

use axum::{BoxError, body::Body};
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::TcpStream,
};
use tower_recording::Outcome;

use super::{Pair, in_time, read_until};

/// Echoes what comes over the upgraded connection.
fn echo(request: &mut Request<Body>) {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgraded.await.expect("an upgrade"));
        let (mut from, mut to) = split(io);
        // The client ends it.
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
}

async fn assert_upgrades(pair: &Pair, request: &str) {
    let mut heads = Vec::new();
    for address in [pair.bare, pair.layered] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        heads.push(read_until(&mut stream, "\r\n\r\n").await);
        for said in ["ping", "\0\u{1}\u{2}", "pong"] {
            stream.write_all(said.as_bytes()).await.expect("sent");
            let mut echoed = vec![0; said.len()];
            in_time(stream.read_exact(&mut echoed))
                .await
                .expect("an echo");
            assert_eq!(echoed, said.as_bytes());
        }
    }
    assert_eq!(heads[0], heads[1]);
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    assert_eq!(rows.messages, []);
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let pair = Pair::new(async |mut request: Request<Body>| {
        echo(&mut request);
        let response = Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "echo");
        Ok(response.body(Body::empty())?)
    })
    .await;
    let request = "GET /echo HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    assert_upgrades(&pair, request).await;
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_its_answer_is_complete() {
    let pair = Pair::new(async |mut request: Request<Body>| {
        echo(&mut request);
        // No body follows such a head, whatever the handler returns.
        let never = stream::pending::<Result<Bytes, BoxError>>();
        Ok(Response::new(Body::from_stream(never)))
    })
    .await;
    let request = "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n";
    assert_upgrades(&pair, request).await;
}
