//! Answers that count as being read until they are sent.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{Error, body::Body, response::Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// What a connection takes in soon, however slow its client.
const SMALL_BYTES: u64 = 256 << 10;
/// A larger frame would leave the body at once and wait in the server's own buffer.
const PIECE_BYTES: usize = 64 << 10;

/// Keeps the permit until the body was sent or given up, unless the body is small.
pub(super) fn until_sent(response: Response, permit: OwnedSemaphorePermit) -> Response {
    response.map(|body| {
        let most = http_body::Body::size_hint(&body).upper();
        if most.is_some_and(|bytes| bytes <= SMALL_BYTES) {
            return body;
        }
        Body::new(Sent {
            body,
            rest: Bytes::new(),
            _permit: permit,
        })
    })
}

struct Sent {
    body: Body,
    /// What is left of the frame that was last read.
    rest: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.rest.is_empty() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)?);
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
