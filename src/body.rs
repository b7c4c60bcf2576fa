//! A body that is copied as it passes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    exchange::RequestEnd,
    outcome::Outcome,
    recording::{Recording, RequestTee},
};

pin_project! {
    /// A body that is copied as it passes, or merely passes where nothing is recorded.
    ///
    /// Frames, trailers, errors, [`size_hint`](Body::size_hint) and
    /// [`is_end_stream`](Body::is_end_stream) are the inner body's own. Nothing is added to what
    /// the transport buffers: each frame is handed on in the same poll.
    #[derive(Debug)]
    pub struct RecordingBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: B,
        tee: Option<Tee>,
    }

    impl<B> PinnedDrop for RecordingBody<B>
    where
        B: Body,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            match this.tee {
                Some(Tee::Request(tee)) => tee.dropped(has_ended(&*this.inner)),
                Some(Tee::Response(recording)) => recording.dropped(has_ended(&*this.inner)),
                None => {}
            }
        }
    }
}

/// What copies a body.
#[derive(Debug)]
pub(crate) enum Tee {
    Request(RequestTee),
    Response(Recording),
}

/// Whether a body that is being dropped was at its end. One that has panicked may panic again when
/// asked, and a panic out of a drop can end the process.
fn has_ended(body: &impl Body) -> bool {
    !thread::panicking() && catch_unwind(AssertUnwindSafe(|| body.is_end_stream())).unwrap_or(false)
}

/// How a body ended that was read.
enum End {
    /// With the frame that was just handed on.
    WithFrame,
    Complete,
    Failed,
}

impl<B: Body> RecordingBody<B> {
    pub(crate) fn new(inner: B, tee: Option<Tee>) -> Self {
        Self { inner, tee }
    }

    /// A body that merely passes.
    pub(crate) fn passing(inner: B) -> Self {
        Self::new(inner, None)
    }
}

/// A body that merely passes, for layers above that answer with an empty body of their own.
impl<B: Body + Default> Default for RecordingBody<B> {
    fn default() -> Self {
        Self::passing(B::default())
    }
}

impl<B: Body> Body for RecordingBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        // The frame never leaves the slot it is returned in: moving it costs more than the copy.
        let polled = this.inner.as_mut().poll_frame(cx);
        if let Some(tee) = this.tee {
            if let Poll::Ready(Some(Ok(frame))) = &polled {
                let ends = match frame.data_ref() {
                    Some(data) => {
                        tee.data(data);
                        false
                    }
                    None => match frame.trailers_ref() {
                        Some(trailers) => {
                            tee.trailers(trailers);
                            true
                        }
                        None => false,
                    },
                };
                // hyper polls a body no further once it says that it is at its end, nor after
                // its trailers.
                if ends || this.inner.is_end_stream() {
                    settle(this.tee, End::WithFrame);
                }
            } else if let Poll::Ready(end) = &polled {
                settle(
                    this.tee,
                    match end {
                        Some(_) => End::Failed,
                        None => End::Complete,
                    },
                );
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Tee {
    /// What copies a request's body. One that is empty from the start has ended with that.
    pub(crate) fn of_request(body: &impl Body, tee: RequestTee) -> Option<Self> {
        if body.is_end_stream() {
            tee.settle(RequestEnd::Complete);
            return None;
        }
        Some(Self::Request(tee))
    }

    /// What copies a response's body. One that is empty from the start has ended with that.
    pub(crate) fn of_response(body: &impl Body, mut recording: Recording) -> Option<Self> {
        if body.is_end_stream() {
            recording.settle(Outcome::Complete);
            return None;
        }
        Some(Self::Response(recording))
    }

    #[inline]
    fn data(&mut self, data: &impl Buf) {
        match self {
            Self::Response(recording) => recording.data(data),
            Self::Request(tee) => tee.data(data),
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        match self {
            Self::Response(recording) => recording.trailers(trailers),
            Self::Request(_) => {}
        }
    }
}

/// Once a body, and out of the way of its frames.
#[cold]
#[inline(never)]
fn settle(tee: &mut Option<Tee>, end: End) {
    match (tee.take(), end) {
        (Some(Tee::Request(tee)), End::Failed) => tee.settle(RequestEnd::Incomplete),
        (Some(Tee::Request(tee)), _) => tee.settle(RequestEnd::Complete),
        (Some(Tee::Response(mut recording)), End::Complete) => {
            recording.settle(Outcome::Complete);
        }
        (Some(Tee::Response(mut recording)), End::WithFrame) => recording.settle_with_frame(),
        (Some(Tee::Response(mut recording)), End::Failed) => {
            recording.settle(Outcome::UpstreamError);
        }
        (None, _) => {}
    }
}
