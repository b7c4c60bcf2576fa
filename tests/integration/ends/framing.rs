//! How the end of a response is told.

use std::collections::HashMap;

use axum::{BoxError, body::Body};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tower_recording::Outcome;

use super::{ANSWER, Pair, QUESTION, in_time, post, read};
use crate::support::client;

/// The answer in three pieces, of unknown length.
fn pieces() -> Body {
    let (one, rest) = ANSWER.split_at(30);
    let (two, three) = rest.split_at(1);
    Body::from_stream(stream::iter([one, two, three].map(Ok::<_, BoxError>)))
}

async fn bodiless(request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let (_, name) = request.uri().path().split_at(1);
    let response = Response::builder();
    let response = match name {
        "head-full" => response.body(Body::from(ANSWER)),
        "head-length" => response.header("content-length", 1000).body(pieces()),
        "head-stream" => response.body(pieces()),
        "no-content" => response.status(204).body(pieces()),
        "not-modified" => response.status(304).body(pieces()),
        "not-modified-length" => response
            .status(304)
            .header("content-length", 1000)
            .body(Body::empty()),
        _ => response.body(Body::empty()),
    };
    Ok(response?)
}

#[tokio::test]
async fn responses_without_a_body_are_the_same_and_complete() {
    let pair = Pair::new(bodiless).await;
    for (method, name) in [
        ("HEAD", "head-full"),
        ("HEAD", "head-length"),
        ("HEAD", "head-stream"),
        ("GET", "no-content"),
        ("GET", "not-modified"),
        ("GET", "not-modified-length"),
        ("GET", "empty"),
    ] {
        let request = format!("{method} /{name} HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n");
        let said = pair.says(&request).await;
        assert!(said.ends_with("\r\n\r\n"), "{name}: {said}");
        let rows = pair.shelf.only(&pair.recorder).await;
        assert_eq!(rows.exchange.outcome, Outcome::Complete, "{name}");
        assert_eq!(rows.messages, [], "{name}");
    }
}

#[tokio::test]
async fn responses_without_a_body_are_the_same_and_complete_over_http2() {
    let pair = Pair::new(bodiless).await;
    let client = client(Version::HTTP_2);
    for (method, name) in [
        (Method::HEAD, "empty"),
        (Method::GET, "empty"),
        (Method::GET, "not-modified-length"),
        (Method::HEAD, "not-modified-length"),
    ] {
        let mut heads = Vec::new();
        for address in [pair.bare, pair.layered] {
            let request = Request::builder().method(&method);
            let request = request.uri(format!("http://{address}/{name}"));
            let request = request.body(Full::default()).expect("a request");
            let response = in_time(client.request(request)).await.expect("a response");
            let (mut parts, body) = response.into_parts();
            parts.headers.remove("date");
            let body = body.collect().await.expect("a body").to_bytes();
            heads.push((parts.status, parts.headers, body));
        }
        assert_eq!(heads[0], heads[1], "{name}");
        let rows = pair.shelf.only(&pair.recorder).await;
        assert_eq!(rows.exchange.outcome, Outcome::Complete, "{name}");
    }
}

#[tokio::test]
async fn a_declared_length_ends_a_streamed_answer() {
    for declared in [ANSWER.len(), ANSWER.len() - 7] {
        let pair = Pair::new(move |request| async move {
            read(request).await?;
            let response = Response::builder()
                .header("content-type", "application/json")
                .header("content-length", declared);
            Ok(response.body(pieces())?)
        })
        .await;
        let said = pair.says(&post(QUESTION)).await;
        assert!(said.ends_with(&ANSWER[..declared]), "{said}");
        assert!(said.contains(&format!("content-length: {declared}")));
        let rows = pair.shelf.only(&pair.recorder).await;
        assert_eq!(rows.exchange.outcome, Outcome::Complete);
        assert_eq!(rows.messages[1].content, "Hello there");
    }
}

#[tokio::test]
async fn whole_and_chunked_answers_are_framed_as_without_the_layer() {
    let pair = Pair::new(async |request: Request<Body>| {
        let body = if request.uri().query().is_some() {
            pieces()
        } else {
            ANSWER.into()
        };
        read(request).await?;
        Ok(Response::new(body))
    })
    .await;
    let whole = pair.says(&post(QUESTION)).await;
    assert!(whole.contains(&format!("content-length: {}\r\n", ANSWER.len())));
    let chunked = post(QUESTION).replace("completions ", "completions?cut ");
    let chunked = pair.says(&chunked).await;
    assert!(chunked.contains("transfer-encoding: chunked\r\n"));
    assert!(chunked.contains("\r\n1\r\n"), "{chunked}");
    for rows in pair.shelf.take(&pair.recorder).await {
        assert_eq!(rows.exchange.outcome, Outcome::Complete);
        assert_eq!(rows.messages[1].content, "Hello there");
    }
    assert_eq!(pair.recorder.metrics().accepted, 2);
}

fn with_trailers() -> Body {
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-checksum"),
        http::HeaderValue::from_static("77"),
    )]);
    let frames = [
        Frame::data(Bytes::from_static(ANSWER.as_bytes())),
        Frame::trailers(trailers),
    ];
    Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, BoxError>))))
}

#[tokio::test]
async fn trailers_arrive_and_complete_the_answer() {
    let pair = Pair::new(async |request| {
        read(request).await?;
        let response = Response::builder().header("trailer", "x-checksum");
        Ok(response.body(with_trailers())?)
    })
    .await;
    let said = pair
        .says(&post(QUESTION).replace("connection: close", "connection: close\r\nte: trailers"))
        .await;
    assert!(said.ends_with("0\r\nx-checksum: 77\r\n\r\n"), "{said}");
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);

    let client = client(Version::HTTP_2);
    let mut seen = HashMap::new();
    for address in [pair.bare, pair.layered] {
        let request = crate::support::chat(address, "s", QUESTION);
        let response = in_time(client.request(request)).await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await.expect("a body");
        assert_eq!(body.trailers().expect("trailers")["x-checksum"], "77");
        seen.insert(address, body.to_bytes());
    }
    assert_eq!(seen[&pair.bare], seen[&pair.layered]);
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    assert_eq!(rows.messages[1].content, "Hello there");
}
