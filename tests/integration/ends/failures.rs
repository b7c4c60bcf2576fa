//! Handlers, bodies and closures that fail.

use std::{convert::Infallible, error::Error, net::IpAddr};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Extensions, HeaderMap, Method, Request, Response, Version};
use http_body_util::BodyExt;
use proptest::{collection::vec, prelude::*};
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::Outcome;

use super::{ANSWER, Pair, QUESTION, event, in_time, post, read, streamed};
use crate::support::{Shelf, chat, chat_completion, client};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("upstream {0} is away")]
struct Away(u32);

#[tokio::test]
async fn a_handler_that_panics_ends_the_connection_as_without_the_layer() {
    let pair = Pair::new(async |request| {
        read(request).await?;
        panic!("the handler breaks")
    })
    .await;
    assert_eq!(pair.says(&post(QUESTION)).await, "");
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Panicked);
    assert_eq!(rows.error.expect("a failure").content, "Say hello");

    let client = client(Version::HTTP_2);
    let mut causes = Vec::new();
    for address in [pair.bare, pair.layered] {
        let answer = in_time(client.request(chat(address, "s", QUESTION))).await;
        causes.push(cause(&answer.expect_err("a reset")));
    }
    assert_eq!(causes[0], causes[1]);
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Panicked);
}

fn cause(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[tokio::test]
async fn the_error_of_a_service_is_returned_unchanged_and_recorded() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    let service = layer.layer(service_fn(async |_| Err::<Response<Body>, _>(Away(5))));
    let error = service.oneshot(chat_completion("s", QUESTION)).await;
    assert_eq!(error.map(drop), Err(Away(5)));
    let rows = shelf.only(&layer.recorder()).await;
    assert_eq!(rows.exchange.outcome, Outcome::UpstreamError);
    assert_eq!(rows.exchange.status, None);
    assert_eq!(rows.error.expect("a failure").error_code, 0);

    let pair = Pair::new(async |request| {
        read(request).await?;
        Err(Away(5).into())
    })
    .await;
    assert_eq!(pair.says(&post(QUESTION)).await, "");
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.error.expect("a failure").content, "Say hello");
}

fn breaking() -> Body {
    let events = [
        Ok(Bytes::from(event("Hello"))),
        Ok(Bytes::from(event(" there"))),
        Err(Away(6)),
    ];
    Body::from_stream(stream::iter(events))
}

#[tokio::test]
async fn a_body_that_fails_ends_the_connection_as_without_the_layer_and_its_part_is_kept() {
    let pair = Pair::new(async |request| {
        read(request).await?;
        Ok(streamed(breaking()))
    })
    .await;
    pair.says(&post(QUESTION)).await;
    let client = client(Version::HTTP_2);
    let mut causes = Vec::new();
    for address in [pair.bare, pair.layered] {
        // The reset may overtake the head.
        let answer = in_time(async {
            let response = client.request(chat(address, "s", QUESTION)).await;
            let body = response.map_err(|error| cause(&error))?.into_body();
            body.collect().await.map_err(|error| cause(&error))
        });
        causes.push(answer.await.map(drop));
    }
    assert!(causes[0].is_err());
    assert_eq!(causes[0], causes[1]);

    let rows = pair.shelf.take(&pair.recorder).await;
    assert_eq!(rows.len(), 2);
    for rows in rows {
        assert_eq!(rows.exchange.outcome, Outcome::UpstreamError);
        let error = rows.error.expect("a failure");
        assert_eq!(error.content, "Say hello");
        let other = error.other.expect("what had arrived");
        assert!(other.contains("Hello there"), "{other}");
    }
}

#[tokio::test]
async fn closures_that_panic_harm_no_request() {
    let broken_rule = |_: &Method, _: &str| -> bool { panic!("the rule breaks") };
    let broken_look =
        |_: &HeaderMap, _: &Extensions| -> Option<IpAddr> { panic!("the look breaks") };
    let pair = Pair::with(
        move |builder| builder.also_record(broken_rule).client_ip(broken_look),
        async |request| {
            read(request).await?;
            Ok(Response::new(ANSWER.into()))
        },
    )
    .await;
    assert!(pair.says(&post(QUESTION)).await.ends_with(ANSWER));
    let other = post(QUESTION).replace("/v1/chat/completions", "/v1/other");
    assert!(pair.says(&other).await.ends_with(ANSWER));
    let rows = pair.shelf.only(&pair.recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    assert_eq!(rows.exchange.ip, None);
    assert_eq!(rows.messages[1].content, "Hello there");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bodies_that_nothing_can_decode_pass_and_are_recorded(
        asked in vec(any::<u8>(), 0..300),
        answered in vec(any::<u8>(), 0..300),
        kind in prop::sample::select(vec!["application/json", "text/event-stream", "\u{e9}", ""]),
        encoding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "gzip, br", "odd", ""]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let shelf = Shelf::new();
            let layer = shelf.layer().build().expect("a layer");
            let answer = Bytes::from(answered.clone());
            let expected = Bytes::from(asked.clone());
            let service = layer.layer(service_fn(move |request: Request<_>| {
                let (answer, expected) = (answer.clone(), expected.clone());
                async move {
                    let body: tower_recording::RecordingBody<_> = request.into_body();
                    let read = body.collect().await.expect("a body").to_bytes();
                    assert_eq!(read, expected);
                    let response = Response::builder()
                        .header("content-type", kind)
                        .header("content-encoding", encoding);
                    Ok::<_, Infallible>(response.body(Body::from(answer)).expect("a response"))
                }
            }));
            let mut request = chat_completion("s", asked);
            let encoding = encoding.parse().expect("a value");
            request.headers_mut().insert("content-encoding", encoding);
            let response = service.oneshot(request).await.expect("a response");
            let read = response.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(read, answered);
            let rows = shelf.only(&layer.recorder()).await;
            assert_eq!(rows.conversation.session_id, "s");
            assert_eq!(layer.recorder().metrics().decode_panics, 0);
        });
    }
}
