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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body::Body as _;
    use http_body_util::BodyExt;
    use tokio::sync::Semaphore;

    use super::*;

    fn held(body: Vec<u8>) -> (Arc<Semaphore>, Body) {
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns).try_acquire_owned().unwrap();
        let body = until_sent(Response::new(Body::from(body)), turn).into_body();
        (turns, body)
    }

    #[tokio::test]
    async fn a_large_body_is_the_same_and_keeps_its_turn_until_it_was_sent() {
        let bytes: Vec<u8> = (0..1_000_000u32).map(|number| number as u8).collect();
        let (turns, mut body) = held(bytes.clone());
        let mut sent = Vec::new();
        assert_eq!(body.size_hint().exact(), Some(1_000_000));
        while !body.is_end_stream() {
            assert_eq!(turns.available_permits(), 0);
            let frame = body.frame().await.unwrap().unwrap();
            let data = frame.into_data().unwrap();
            assert!(data.len() <= PIECE_BYTES);
            sent.extend_from_slice(&data);
            let left = (bytes.len() - sent.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
        }
        assert_eq!(sent, bytes);
        drop(body);
        assert_eq!(turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn who_hangs_up_gives_his_turn_back_and_a_small_body_needs_none() {
        let (turns, mut body) = held(vec![0; 1_000_000]);
        body.frame().await.unwrap().unwrap();
        assert_eq!(turns.available_permits(), 0);
        drop(body);
        assert_eq!(turns.available_permits(), 1);

        let (turns, body) = held(vec![0; SMALL_BYTES as usize]);
        assert_eq!(turns.available_permits(), 1);
        assert_eq!(
            body.collect().await.unwrap().to_bytes().len() as u64,
            SMALL_BYTES
        );
    }
}
