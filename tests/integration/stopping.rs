//! How the gateway ends when not everything ends by itself.

use std::{
    future::pending,
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::IntoResponse,
};
use http::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use crate::{
    gateway::{ALICE_KEY, Gateway},
    proxy::{client, gateway, json_of, request, upstream},
};

/// Less than the grace of requests, and than the recorder's.
const SOON: Duration = Duration::from_secs(8);
/// Many times what a process takes to end that waits for nothing.
const AWHILE: Duration = Duration::from_millis(500);

async fn said(gateway: &Gateway, text: &'static str) -> String {
    let log = Arc::clone(gateway.log());
    tokio::task::spawn_blocking(move || log.line_with(text))
        .await
        .unwrap()
}

async fn ended(gateway: Gateway) -> ExitStatus {
    tokio::task::spawn_blocking(|| gateway.wait())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_second_signal_ends_the_grace_of_open_requests() {
    let (started, mut starts) = mpsc::unbounded_channel();
    let app = Router::new().fallback(async move |_: Bytes| {
        started.send(()).unwrap();
        pending::<()>().await;
    });
    let (_dir, gateway) = gateway(&upstream(app).await, &[]).await;
    let asked = request(&gateway, Method::POST, "/v1/other", Body::from("{}"));
    let asking = tokio::spawn(client(false).request(asked));
    starts.recv().await.unwrap();

    let began = Instant::now();
    gateway.terminate();
    said(&gateway, "stopping").await;
    gateway.terminate();
    assert!(ended(gateway).await.success());
    assert!(began.elapsed() < SOON);
    assert!(asking.await.unwrap().is_err());
}

#[tokio::test]
async fn an_end_that_leaves_something_unwritten_is_a_failure_and_says_so() {
    let app = Router::new().fallback(async |_: Bytes| "{}");
    let away = [("MES_SQL_DSN", "sqlite:absent/conversations.db")];
    let (_dir, gateway) = gateway(&upstream(app).await, &away).await;
    let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "well?" }] });
    let body = Body::from(asked.to_string());
    let asked = request(&gateway, Method::POST, "/v1/chat/completions", body);
    let answer = client(false).request(asked).await.unwrap();
    json_of(answer.into_body()).await;

    let began = Instant::now();
    gateway.terminate();
    said(&gateway, "stopping").await;
    gateway.terminate();
    let log = Arc::clone(gateway.log());
    assert!(!ended(gateway).await.success());
    assert!(began.elapsed() < SOON);
    let line = tokio::task::spawn_blocking(move || log.line_with("0 exchanges written, 1 left"));
    let line = line.await.unwrap();
    assert!(line.contains(" WARN "), "{line}");
}

#[tokio::test]
async fn a_tunnel_has_the_same_grace_as_a_request() {
    let app = Router::new().fallback(async |mut request: Request| {
        let change = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut echo = TokioIo::new(change.await.unwrap());
            let mut word = [0; 4];
            while echo.read_exact(&mut word).await.is_ok() {
                echo.write_all(&word).await.unwrap();
            }
        });
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    });
    let (_dir, gateway) = gateway(&upstream(app).await, &[]).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!(
        "GET /v1/realtime HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {ALICE_KEY}\r\n\
         connection: Upgrade\r\nupgrade: echo\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }

    gateway.terminate();
    said(&gateway, "stopping").await;
    let began = Instant::now();
    while began.elapsed() < AWHILE {
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping");
    }
    drop(stream);
    assert!(ended(gateway).await.success());
    assert!(began.elapsed() < SOON);
}
