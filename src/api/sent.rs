//! Answers that are held in memory until they are sent, at the pace of their clients.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Error, body::Body, response::Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{sync::Notify, task::AbortHandle, time::timeout};

use super::error::ApiError;

/// What a connection takes in soon, however slow its client.
const SMALL_BYTES: u64 = 256 << 10;
/// A larger frame would leave the body at once and wait in the server's own buffer.
const PIECE_BYTES: usize = 64 << 10;
/// A client that takes no piece for so long is not waited for.
const STALLS_AT_MOST: Duration = Duration::from_secs(5);

/// Keeps a large body, with a place for it, until it was sent, given up, or stalls.
///
/// # Errors
/// Where there is no place.
pub(super) fn until_sent<P: Send + 'static>(
    response: Response,
    place: impl FnOnce() -> Result<P, ApiError>,
) -> Result<Response, ApiError> {
    let most = http_body::Body::size_hint(response.body()).upper();
    if most.is_some_and(|bytes| bytes <= SMALL_BYTES) {
        return Ok(response);
    }
    let place = place()?;
    Ok(response.map(|body| Body::new(Sent::new(body, place, STALLS_AT_MOST))))
}

/// A body whose data goes when nobody takes it.
struct Sent<P> {
    answer: Arc<Answer<P>>,
    size: SizeHint,
    watch: AbortHandle,
}

struct Answer<P> {
    /// `None`: it stalled.
    held: Mutex<Option<Held<P>>>,
    taken: Notify,
}

struct Held<P> {
    body: Body,
    /// What is left of the frame that was last read.
    rest: Bytes,
    /// It has nothing yet for the client, who asked.
    waits: bool,
    _place: P,
}

impl<P: Send + 'static> Sent<P> {
    fn new(body: Body, place: P, patience: Duration) -> Self {
        let size = http_body::Body::size_hint(&body);
        let answer = Arc::new(Answer {
            held: Mutex::new(Some(Held {
                body,
                rest: Bytes::new(),
                waits: false,
                _place: place,
            })),
            taken: Notify::new(),
        });
        // A connection whose client reads nothing does not ask for the body either.
        let watched = Arc::clone(&answer);
        let watch = tokio::spawn(async move {
            while timeout(patience, watched.taken.notified()).await.is_ok() || watched.waits() {}
            *watched.lock() = None;
        });
        Self {
            answer,
            size,
            watch: watch.abort_handle(),
        }
    }
}

impl<P> Answer<P> {
    fn lock(&self) -> MutexGuard<'_, Option<Held<P>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits(&self) -> bool {
        self.lock().as_ref().is_some_and(|held| held.waits)
    }
}

impl<P> Held<P> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        use http_body::Body as _;

        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            self.waits = polled.is_pending();
            let frame = ready!(polled?);
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                None => return Poll::Ready(None),
            }
        }
        let piece = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = http_body::Body::size_hint(&self.body);
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl<P: Send + 'static> http_body::Body for Sent<P> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let answer = Arc::clone(&self.answer);
        let mut held = answer.lock();
        let Some(held) = held.as_mut() else {
            return Poll::Ready(Some(Err(Error::new("the client took too long"))));
        };
        let piece = held.poll_piece(cx);
        self.size = held.size_hint();
        answer.taken.notify_one();
        piece
    }

    fn is_end_stream(&self) -> bool {
        let held = self.answer.lock();
        held.as_ref()
            .is_some_and(|held| held.rest.is_empty() && held.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

impl<P> Drop for Sent<P> {
    fn drop(&mut self) {
        self.watch.abort();
        *self.answer.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt;
    use tokio::sync::Semaphore;

    use super::*;

    fn held(body: Vec<u8>) -> (Arc<Semaphore>, Body) {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places);
        let place = || place.try_acquire_owned().map_err(|_| ApiError::busy());
        let sent = until_sent(Response::new(Body::from(body)), place).unwrap();
        (places, sent.into_body())
    }

    #[tokio::test]
    async fn a_large_body_is_the_same_and_keeps_its_place_until_it_was_sent() {
        let bytes: Vec<u8> = (0..1_000_000u32).map(|number| number as u8).collect();
        let (places, mut body) = held(bytes.clone());
        let mut sent = Vec::new();
        assert_eq!(body.size_hint().exact(), Some(1_000_000));
        while !body.is_end_stream() {
            assert_eq!(places.available_permits(), 0);
            let frame = body.frame().await.unwrap().unwrap();
            let data = frame.into_data().unwrap();
            assert!(data.len() <= PIECE_BYTES);
            sent.extend_from_slice(&data);
            let left = (bytes.len() - sent.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
        }
        assert_eq!(sent, bytes);
        drop(body);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn who_hangs_up_gives_his_place_back_and_a_small_body_needs_none() {
        let (places, mut body) = held(vec![0; 1_000_000]);
        body.frame().await.unwrap().unwrap();
        assert_eq!(places.available_permits(), 0);
        drop(body);
        assert_eq!(places.available_permits(), 1);

        let (places, body) = held(vec![0; SMALL_BYTES as usize]);
        assert_eq!(places.available_permits(), 1);
        assert_eq!(
            body.collect().await.unwrap().to_bytes().len() as u64,
            SMALL_BYTES
        );
    }

    #[tokio::test]
    async fn what_nobody_takes_is_let_go_and_its_place_with_it() {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let body = Body::from(vec![0; 1_000_000]);
        let mut sent = Sent::new(body, place, Duration::from_millis(50));
        sent.frame().await.unwrap().unwrap();
        assert_eq!(places.available_permits(), 0);
        places.acquire().await.unwrap().forget();
        assert!(sent.frame().await.unwrap().is_err());
    }
}
