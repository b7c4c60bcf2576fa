//! Clients that go away.

use std::{
    convert::Infallible,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use axum::body::Body;
use http::{Response, Version};
use http_body_util::BodyExt;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::{Notify, oneshot},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::Outcome;

use super::{Pair, QUESTION, event, in_time, post, read, read_until, stalled, streamed};
use crate::support::{Shelf, chat, chat_completion, client};

/// A handler's response that stalls after two events, and how to hear of its end.
async fn stalling() -> (Pair, Arc<Mutex<Option<oneshot::Receiver<()>>>>) {
    let heard = Arc::new(Mutex::new(None));
    let hear = Arc::clone(&heard);
    let pair = Pair::new(move |request| {
        let (body, dropped) = stalled(["Hello", " there"]);
        *hear.lock().expect("a receiver") = Some(dropped);
        async move {
            read(request).await?;
            Ok(streamed(body))
        }
    })
    .await;
    (pair, heard)
}

async fn assert_partial_answer(pair: &Pair, heard: &Mutex<Option<oneshot::Receiver<()>>>) {
    let dropped = heard.lock().expect("a receiver").take();
    // The sender is dropped with the upstream's stream.
    in_time(dropped.expect("a receiver")).await.unwrap_err();
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::ClientAbort);
    assert_eq!(rows.exchange.status, Some(200));
    assert_eq!(rows.messages[0].content, "Say hello");
    assert_eq!(rows.messages[1].content, "Hello there");
}

#[tokio::test]
async fn a_client_gone_mid_response_cancels_the_upstream_and_keeps_what_had_arrived() {
    let (pair, heard) = stalling().await;
    let mut stream = TcpStream::connect(pair.layered).await.expect("connected");
    stream
        .write_all(post(QUESTION).as_bytes())
        .await
        .expect("sent");
    read_until(&mut stream, &format!("{}\r\n", event(" there"))).await;
    drop(stream);
    assert_partial_answer(&pair, &heard).await;
}

#[tokio::test]
async fn an_http2_stream_that_is_reset_cancels_the_upstream_and_keeps_what_had_arrived() {
    let (pair, heard) = stalling().await;
    let client = client(Version::HTTP_2);
    let response = in_time(client.request(chat(pair.layered, "s", QUESTION)))
        .await
        .expect("a response");
    let mut body = response.into_body();
    let mut read = String::new();
    while !read.contains(" there") {
        let frame = in_time(body.frame()).await.expect("a frame").expect("data");
        let data = frame.into_data().expect("data");
        read.push_str(std::str::from_utf8(&data).expect("text"));
    }
    drop(body);
    assert_partial_answer(&pair, &heard).await;
}

#[tokio::test]
async fn a_client_gone_before_the_head_cancels_the_handler_and_is_recorded() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let called = Arc::new(Notify::new());
        let tell = Arc::clone(&called);
        let (held, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
        let pair = Pair::new(move |request| {
            let (tell, held) = (Arc::clone(&tell), held.clone());
            async move {
                let _held = (held, request);
                tell.notify_one();
                pending().await
            }
        })
        .await;
        let client = client(version);
        let request = tokio::spawn(client.request(chat(pair.layered, "s", QUESTION)));
        in_time(called.notified()).await;
        request.abort();
        drop((request.await, client));
        in_time(pair.shelf.was_asked(1)).await;
        let rows = pair.shelf.only(&pair.recorder).await;
        assert_eq!(rows.exchange.outcome, Outcome::ClientAbortBeforeHead);
        assert_eq!(rows.exchange.status, None);
        assert!(dropped.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_response_future_that_is_dropped_before_the_head_is_recorded() {
    for polls in [0, 1, 3] {
        let shelf = Shelf::new();
        let layer = shelf.layer().build().expect("a layer");
        let service = layer.layer(service_fn(async |request: http::Request<_>| {
            let body: tower_recording::RecordingBody<_> = request.into_body();
            let asked = body.collect().await.map(|body| body.to_bytes());
            pending::<()>().await;
            drop(asked);
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
        {
            let mut service = service;
            let service = service.ready().await.expect("ready");
            let call = tower::Service::call(service, chat_completion("s", QUESTION));
            let mut call = pin!(call);
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(call.as_mut().poll(&mut cx).is_pending());
            }
        }
        let rows = shelf.only(&layer.recorder()).await;
        assert_eq!(rows.exchange.outcome, Outcome::ClientAbortBeforeHead);
        let read = rows.messages.iter().map(|row| row.content.as_str());
        let expected: &[&str] = if polls == 0 { &[] } else { &["Say hello"] };
        assert!(read.eq(expected.iter().copied()), "{:?}", rows.messages);
    }
}

#[tokio::test]
async fn of_a_client_gone_mid_request_the_part_that_came_is_kept() {
    let (heads, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let pair = Pair::new(move |request: http::Request<Body>| {
        let heads = heads.clone();
        async move {
            let read = request.into_body().collect().await;
            let error = read.expect_err("half a body");
            heads.send(error.to_string()).expect("a listener");
            Err(error.into())
        }
    })
    .await;
    for address in [pair.bare, pair.layered] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = post(QUESTION);
        let (half, _) = request.split_at(request.len() - 10);
        stream.write_all(half.as_bytes()).await.expect("sent");
        stream.shutdown().await.expect("closed");
        drop(stream);
    }
    let [bare, layered] = [errors.recv().await, errors.recv().await];
    assert_eq!(bare, layered);
    in_time(pair.shelf.was_asked(1)).await;
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::UpstreamError);
    let error = rows.error.expect("a failure");
    assert_eq!(error.content, "Say");
}
