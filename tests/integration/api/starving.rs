//! What one key does to the others.

use std::{
    io,
    pin::pin,
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use futures_util::{future::join_all, poll, stream};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::fixture::{ALICE, BOB, Fixture, PORTAL};

const AT_A_TIME: usize = 8;

fn slow_upload(key: &str) -> Request<Body> {
    let never = stream::pending::<io::Result<Bytes>>();
    Request::post("/conversations/s/messages")
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .body(Body::from_stream(never))
        .unwrap()
}

#[tokio::test]
async fn uploads_that_never_end_starve_nobody_else_and_end_with_408() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("bob"), "hello").await;
    let uploads = (0..AT_A_TIME).map(|_| fixture.api.clone().oneshot(slow_upload(ALICE)));
    let uploads = tokio::spawn(join_all(uploads));
    let begun = Instant::now();
    let (status, _) = fixture.get(BOB, "/conversations/s").await;
    assert_eq!(status, StatusCode::OK);
    assert!(begun.elapsed() < Duration::from_secs(4));
    let answers = uploads.await.unwrap().into_iter();
    let mut statuses: Vec<_> = answers.map(|answer| answer.unwrap().status()).collect();
    statuses.sort();
    let too_slow = [StatusCode::REQUEST_TIMEOUT; 4];
    assert_eq!(statuses[..4], too_slow);
    assert_eq!(statuses[4..], [StatusCode::TOO_MANY_REQUESTS; 4]);
    assert!(begun.elapsed() < Duration::from_secs(16));
}

#[tokio::test]
async fn answers_that_nobody_takes_starve_nobody_else_and_are_let_go() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), &"x".repeat(1 << 20)).await;
    fixture.chat("s", Some("bob"), &"x".repeat(1 << 20)).await;
    fixture.flush().await;
    let get = |key: &str| {
        let request = Request::get("/conversations/s")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(Body::empty())
            .unwrap();
        fixture.api.clone().oneshot(request)
    };
    let kept = join_all((0..4).map(|_| get(ALICE))).await;
    let kept: Vec<_> = kept.into_iter().map(|answer| answer.unwrap()).collect();
    assert!(kept.iter().all(|answer| answer.status() == StatusCode::OK));
    let bobs = get(BOB).await.unwrap();
    assert_eq!(bobs.status(), StatusCode::OK);
    assert!(bobs.into_body().collect().await.unwrap().to_bytes().len() > 2 << 20);
    // Those are let go before the wait for one of their places ends.
    let again = get(ALICE).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    for answer in kept {
        assert!(answer.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn the_metrics_are_told_while_their_key_has_all_that_one_may_have() {
    let fixture = Fixture::new();
    let uploads = (0..AT_A_TIME).map(|_| fixture.api.clone().oneshot(slow_upload(PORTAL)));
    let mut uploads = pin!(join_all(uploads));
    assert!(poll!(&mut uploads).is_pending());
    let begun = Instant::now();
    let (status, _) = fixture.text(PORTAL, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(begun.elapsed() < Duration::from_secs(4));
}
