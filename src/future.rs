//! The future of a response, recorded or not.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderName, HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    body::RecordingBody, context::RecordingContext, outcome::Outcome, recording::Recording,
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
        tell: Option<(HeaderName, HeaderValue)>,
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
        tell: Option<(HeaderName, HeaderValue)>,
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
        let Poll::Ready(result) = this.inner.poll(cx) else {
            presume(this.recording, Outcome::ClientAbortBeforeHead);
            return Poll::Pending;
        };
        let Some(mut recording) = this.recording.take() else {
            return Poll::Ready(result.map(|response| response.map(RecordingBody::passing)));
        };
        Poll::Ready(match result {
            Ok(mut response) => {
                recording.head(
                    response.status(),
                    response.headers(),
                    response.extensions().get::<RecordingContext>().cloned(),
                    &response.body().size_hint(),
                );
                if let Some((name, value)) = this.tell.take() {
                    response.headers_mut().insert(name, value);
                }
                Ok(response.map(|body| RecordingBody::response(body, recording)))
            }
            Err(error) => {
                recording.settle(Outcome::UpstreamError);
                Err(error)
            }
        })
    }
}

fn presume(recording: &mut Option<Recording>, outcome: Outcome) {
    if let Some(recording) = recording {
        recording.presume(outcome);
    }
}
