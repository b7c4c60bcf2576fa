//! What panics near the layer is recorded, and made no worse.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_recording::{Outcome, RecordingBody, Truncated};

use crate::support::{Shelf, chat_completion as request};

/// A body that has a frame and then breaks, and that cannot be asked when it is broken.
struct Brittle {
    frames: usize,
    broken: bool,
}

impl Brittle {
    fn whole() -> Self {
        Self {
            frames: 1,
            broken: false,
        }
    }
}

impl Body for Brittle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.frames == 0 {
            self.broken = true;
            panic!("the body breaks");
        }
        self.frames -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{}")))))
    }

    fn is_end_stream(&self) -> bool {
        assert!(!self.broken, "the body is broken");
        false
    }
}

#[tokio::test]
async fn a_panic_that_a_layer_above_catches_is_recorded_as_one() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    let recorder = layer.recorder();
    let service = layer.layer(service_fn(
        async |_| -> Result<Response<Brittle>, Infallible> {
            tokio::task::yield_now().await;
            panic!("the handler breaks")
        },
    ));
    // The future outlives the panic, so that its drop does not see one.
    let future = service.oneshot(request("s", "{}"));
    let mut caught = Box::pin(AssertUnwindSafe(future).catch_unwind());
    assert!((&mut caught).await.is_err());
    drop(caught);
    let rows = shelf.only(&recorder).await;
    assert_eq!(rows.exchange.outcome, Outcome::Panicked);
    assert!(rows.error.is_some());
}

#[tokio::test]
async fn a_service_that_panics_when_it_is_called_is_recorded_and_the_panic_goes_on() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    let mut service = layer.layer(service_fn(
        |_| -> std::future::Ready<Result<Response<Brittle>, Infallible>> {
            panic!("the service breaks")
        },
    ));
    let called = catch_unwind(AssertUnwindSafe(|| service.call(request("s", "{}"))));
    let panic = called.err().expect("a panic");
    assert_eq!(panic.downcast_ref(), Some(&"the service breaks"));
    let rows = shelf.only(&layer.recorder()).await;
    assert_eq!(rows.exchange.outcome, Outcome::Panicked);
}

#[tokio::test]
async fn a_body_that_panics_is_not_asked_for_its_end_again() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    let service = layer.layer(service_fn(async |_| {
        Ok::<_, Infallible>(Response::new(Brittle::whole()))
    }));
    let response = service
        .oneshot(request("s", "{}"))
        .await
        .expect("a response");
    let reading = response.into_body().collect();
    // A second panic in the drop, while the first unwinds, would end the process.
    let panic = tokio::spawn(reading).await.expect_err("a panic");
    assert!(panic.is_panic());
    let rows = shelf.only(&layer.recorder()).await;
    assert_eq!(rows.exchange.outcome, Outcome::Panicked);
}

#[tokio::test]
async fn dropping_a_body_that_cannot_be_asked_does_not_panic() {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    let service = layer.layer(service_fn(async |_| {
        Ok::<_, Infallible>(Response::new(Brittle::whole()))
    }));
    let response = service
        .oneshot(request("s", "{}"))
        .await
        .expect("a response");
    let mut body = Box::pin(response.into_body());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(body.as_mut().poll_frame(&mut cx).is_ready());
    let polled = catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(&mut cx)));
    assert!(polled.is_err());
    drop(body);
    let rows = shelf.only(&layer.recorder()).await;
    assert_eq!(rows.exchange.outcome, Outcome::ClientAbort);
}

/// A body that claims to be as long as a number can say.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{")))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::MAX)
    }
}

#[tokio::test]
async fn no_claimed_length_is_too_long() {
    let shelf = Shelf::new();
    let layer = shelf
        .layer()
        .max_request_bytes(usize::MAX)
        .max_response_bytes(usize::MAX)
        .build()
        .expect("a layer");
    let service = layer.layer(service_fn(
        async |request: Request<RecordingBody<Endless>>| {
            let mut body = pin!(request.into_body());
            body.frame().await.expect("a frame").expect("no failure");
            Ok::<_, Infallible>(Response::new(Endless))
        },
    ));
    let request = request("s", "").map(|_| Endless);
    let response = service.oneshot(request).await.expect("a response");
    assert_eq!(response.body().size_hint().exact(), Some(u64::MAX));
    drop(response);
    let rows = shelf.only(&layer.recorder()).await;
    assert_eq!(rows.exchange.outcome, Outcome::ClientAbort);
    assert_eq!(rows.exchange.truncated, Truncated::No);
}

#[tokio::test]
async fn a_response_that_the_budget_cannot_hold_passes_and_says_so() {
    let shelf = Shelf::new();
    let layer = shelf.layer().budget_bytes(5500).build().expect("a layer");
    let service = layer.layer(service_fn(async |_| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
    }));
    let response = service
        .oneshot(request("s", "{}"))
        .await
        .expect("a response");
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), "{}");
    let rows = shelf.only(&layer.recorder()).await;
    assert_eq!(rows.exchange.outcome, Outcome::Complete);
    assert_eq!(rows.exchange.truncated, Truncated::Budget);
}
