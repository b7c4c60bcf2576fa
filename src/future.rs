//! The future of a response, recorded or not.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderName, HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    body::{RecordingBody, Tee},
    context::RecordingContext,
    outcome::Outcome,
    recording::Recording,
};

pin_project! {
    /// The future that [`RecordingService`](crate::RecordingService) returns.
    ///
    /// # Cancel safety
    /// Dropped before the response has a head, the exchange is recorded as
    /// [`ClientAbortBeforeHead`](Outcome::ClientAbortBeforeHead).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        recording: Option<Recording>,
        // Boxed, since the future is moved and few are told.
        tell: Option<Box<(HeaderName, HeaderValue)>>,
    }
}

impl<F> ResponseFuture<F> {
    /// A response of which nothing is recorded.
    pub(crate) fn passing(inner: F) -> Self {
        Self {
            inner,
            recording: None,
            tell: None,
        }
    }

    /// A response that is recorded; `tell` is a header that it gets.
    pub(crate) fn recording(
        inner: F,
        recording: Recording,
        tell: Option<Box<(HeaderName, HeaderValue)>>,
    ) -> Self {
        Self {
            inner,
            recording: Some(recording),
            tell,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<RecordingBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Where a layer above catches a panic, this future is dropped only when it is over.
        presume(this.recording, Outcome::Panicked);
        let Poll::Ready(mut result) = this.inner.poll(cx) else {
            presume(this.recording, Outcome::ClientAbortBeforeHead);
            return Poll::Pending;
        };
        let Some(mut recording) = this.recording.take() else {
            return Poll::Ready(result.map(|response| response.map(RecordingBody::passing)));
        };
        // The response stays where it stands until all is known: moving it costs more than its head.
        let tee = match &mut result {
            Ok(response) => {
                recording.head(
                    response.status(),
                    response.headers(),
                    response.extensions().get::<RecordingContext>().cloned(),
                    &response.body().size_hint(),
                );
                if let Some(tell) = this.tell.take() {
                    let (name, value) = *tell;
                    response.headers_mut().insert(name, value);
                }
                Tee::of_response(response.body(), recording)
            }
            Err(_) => {
                recording.settle(Outcome::UpstreamError);
                None
            }
        };
        Poll::Ready(result.map(|response| response.map(|body| RecordingBody::new(body, tee))))
    }
}

fn presume(recording: &mut Option<Recording>, outcome: Outcome) {
    if let Some(recording) = recording {
        recording.presume(outcome);
    }
}
