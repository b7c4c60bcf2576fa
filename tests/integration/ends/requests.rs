//! Requests that are read late, in part, in another task, or not at all.

use std::{convert::Infallible, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::{Mutex, Notify},
};
use tokio_stream::wrappers::ReceiverStream;
use tower_recording::Outcome;

use super::{ANSWER, Pair, QUESTION, in_time, post, read, read_until};
use crate::support::chat;

#[tokio::test]
async fn an_answer_without_reading_the_request_is_complete() {
    let pair = Pair::new(async |_| Ok(Response::new(ANSWER.into()))).await;
    let said = pair.says(&post(QUESTION)).await;
    assert!(said.ends_with(ANSWER));
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    let [reply] = &rows.messages[..] else {
        panic!("one message: {:?}", rows.messages);
    };
    assert_eq!(reply.content, "Hello there");
}

#[tokio::test]
async fn a_request_that_was_not_read_to_its_end_says_so() {
    let pair = Pair::new(|request: Request<Body>| async move {
        let mut body = request.into_body();
        // One frame, and no more.
        body.frame().await;
        Ok(Response::new(ANSWER.into()))
    })
    .await;
    let said = r#"{"messages":[{"role":"user","content":"one"},{"role":"user","content":"tw"#;
    let (first, rest) = (
        Bytes::from_static(said.as_bytes()),
        Bytes::from_static(b"o\"}]}"),
    );
    let frames = futures_util::stream::iter([first, rest].map(Ok::<_, Infallible>));
    let body = Body::from_stream(frames);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let uri = format!("http://{}/v1/chat/completions", pair.layered);
    let request = Request::post(uri).body(body).expect("a request");
    let answer = client.request(request).await.expect("an answer");
    answer.into_body().collect().await.expect("a body");
    let rows = pair.shelf.only(&pair.recorder).await;
    let last = &rows.messages[rows.messages.len() - 2];
    assert!(
        last.other
            .as_deref()
            .is_some_and(|other| other.contains(r#""request":"unread""#))
    );
    assert_eq!(pair.recorder.metrics().unread_requests, 1);
}

fn expecting() -> (String, &'static str) {
    let (head, body) = (post(""), QUESTION);
    let length = format!("content-length: {}\r\nexpect: 100-continue", body.len());
    (head.replace("content-length: 0", &length), body)
}

#[tokio::test]
async fn a_client_that_expects_100_hears_it_when_the_handler_reads() {
    let (called, wanted) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, go_on) = (Arc::clone(&called), Arc::clone(&wanted));
    let pair = Pair::new(move |request: Request<Body>| {
        let (tell, go_on) = (Arc::clone(&tell), Arc::clone(&go_on));
        async move {
            tell.notify_one();
            go_on.notified().await;
            read(request).await?;
            Ok(Response::new(ANSWER.into()))
        }
    })
    .await;
    let (head, body) = expecting();
    let mut answers = Vec::new();
    for address in [pair.bare, pair.layered] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(head.as_bytes()).await.expect("sent");
        in_time(called.notified()).await;
        // The server runs on this thread: it has had its turns by then.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        stream.try_read(&mut [0]).expect_err("nothing is said yet");
        wanted.notify_one();
        let go_on = read_until(&mut stream, "\r\n\r\n").await;
        assert_eq!(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(body.as_bytes()).await.expect("sent");
        answers.push(read_until(&mut stream, ANSWER).await);
    }
    assert_eq!(answers[0], answers[1]);
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    assert_eq!(rows.messages[0].content, "Say hello");
}

#[tokio::test]
async fn a_client_that_expects_100_is_refused_without_being_read() {
    for status in [StatusCode::EXPECTATION_FAILED, StatusCode::UNAUTHORIZED] {
        let pair = Pair::new(move |_| async move {
            Ok(Response::builder().status(status).body(Body::empty())?)
        })
        .await;
        let said = pair.says(&expecting().0).await;
        let line = format!("HTTP/1.1 {status}\r\n");
        assert!(said.starts_with(&line), "{said}");
        let rows = pair.shelf.only(&pair.recorder).await;
        assert_eq!(rows.exchange.outcome, Outcome::Complete);
        let error = rows.error.expect("a failure");
        assert_eq!(error.error_code, i64::from(status.as_u16()));
    }
}

#[tokio::test]
async fn a_request_that_outlives_its_response_is_recorded_once_with_what_was_read() {
    let finish = Arc::new(Notify::new());
    let finished = Arc::new(Mutex::new(None));
    let (go_on, detached) = (Arc::clone(&finish), Arc::clone(&finished));
    let pair = Pair::new(move |request: Request<Body>| {
        let (go_on, detached) = (Arc::clone(&go_on), Arc::clone(&detached));
        async move {
            let mut body = request.into_body();
            let first = body.frame().await.expect("a frame")?;
            let rest = tokio::spawn(async move {
                go_on.notified().await;
                (first, body.collect().await)
            });
            *detached.lock().await = Some(rest);
            Ok(Response::new(ANSWER.into()))
        }
    })
    .await;
    let (half, rest) = QUESTION.split_at(QUESTION.len() - 10);
    let (pieces, body) = tokio::sync::mpsc::channel(2);
    let send = async |piece: &'static str| {
        let frame = Ok::<_, Infallible>(Frame::data(Bytes::from(piece)));
        pieces.send(frame).await.expect("a connection");
    };
    send(half).await;
    let request = chat(pair.layered, "s", "").map(|_| StreamBody::new(ReceiverStream::new(body)));
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let response = in_time(client.request(request)).await.expect("a response");
    let answer = response.into_body().collect().await.expect("an answer");
    assert_eq!(answer.to_bytes(), ANSWER);
    // No flush, which would not wait for the request.
    pair.shelf.was_asked(1).await;
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    assert_eq!(rows.messages[0].content, "Say");
    assert_eq!(rows.messages[1].content, "Hello there");

    send(rest).await;
    drop(pieces);
    finish.notify_one();
    let rest = finished.lock().await.take().expect("a task");
    let (first, rest) = in_time(rest).await.expect("a task that ended well");
    let first = first.into_data().expect("data");
    let rest = rest.expect("the rest of the body").to_bytes();
    assert_eq!([first, rest].concat(), QUESTION.as_bytes());
    assert!(pair.shelf.take(&pair.recorder).await.is_empty());
    assert_eq!(pair.recorder.metrics().accepted, 1);
    assert_eq!(pair.recorder.metrics().captured_bytes, 0);
}

#[tokio::test]
async fn a_request_that_ends_within_the_grace_is_recorded_whole() {
    let answered = Arc::new(Notify::new());
    let go_on = Arc::clone(&answered);
    let pair = Pair::new(move |request: Request<Body>| {
        let go_on = Arc::clone(&go_on);
        async move {
            tokio::spawn(async move {
                go_on.notified().await;
                request.into_body().collect().await
            });
            Ok(Response::new(ANSWER.into()))
        }
    })
    .await;
    let request = post(QUESTION).replace("connection: close\r\n", "");
    let mut stream = TcpStream::connect(pair.layered).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    read_until(&mut stream, ANSWER).await;
    answered.notify_one();
    pair.shelf.was_asked(1).await;
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.messages[0].content, "Say hello");
}

#[tokio::test]
async fn a_recorded_request_without_a_body_is_complete() {
    let pair = Pair::new(async |request: Request<Body>| {
        read(request).await?;
        Ok(Response::new(ANSWER.into()))
    })
    .await;
    let request = "GET /v1/models HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
    assert!(pair.says(request).await.ends_with(ANSWER));
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    assert_eq!(rows.messages.len(), 1);
    assert_eq!(rows.messages[0].content, ANSWER);
}
