//! The exchanges that every arm serves.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http::{Request, Response, header};
use http_body::{Frame, SizeHint};

/// One kind of exchange.
#[derive(Clone, Copy)]
pub struct Exchange {
    pub name: &'static str,
    pub frames: usize,
    /// Exchanges a round: at most what a core serves between two looks of a writer, which come every
    /// 10 ms under traffic.
    pub chunk: u64,
    request: &'static [Bytes],
    response: &'static [Bytes],
    content_type: &'static str,
}

/// The exchanges of the benchmark.
pub fn exchanges() -> Vec<Exchange> {
    vec![
        Exchange::json("json_1k_2k", 1 << 10, 2 << 10, 1000),
        Exchange::json("json_100k_4k", 100 << 10, 4 << 10, 20),
        Exchange::sse("sse_500", 500, 100),
        Exchange::sse("sse_2000", 2000, 30),
    ]
}

impl Exchange {
    fn json(name: &'static str, request: usize, response: usize, chunk: u64) -> Self {
        Self {
            name,
            frames: 1,
            chunk,
            // hyper reads a large body in pieces of about this size.
            request: frames(request, 16 << 10),
            response: frames(response, response),
            content_type: "application/json",
        }
    }

    fn sse(name: &'static str, frames: usize, chunk: u64) -> Self {
        Self {
            name,
            frames,
            chunk,
            request: self::frames(1 << 10, 1 << 10),
            response: self::frames(150 * frames, 150),
            content_type: "text/event-stream",
        }
    }

    pub fn request(&self, path: &str) -> Request<Body> {
        Request::post(path)
            .header(header::HOST, "gateway.example")
            .header(header::USER_AGENT, "OpenAI/Python 1.99.0")
            .header(header::ACCEPT, "application/json")
            .header(header::ACCEPT_ENCODING, "gzip, deflate")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, "Bearer sk-0123456789abcdef")
            .header("x-stainless-lang", "python")
            .header("x-stainless-os", "Linux")
            .header("x-stainless-runtime", "CPython")
            .header("x-session-id", "3e1f4d52-9f0c-4b5e-8d1f-0c2f7a7f4a11")
            .header("x-user-id", "user123")
            .body(Body::new(Scripted::new(self.request)))
            .expect("a request")
    }

    pub fn response(&self) -> Response<Body> {
        Response::builder()
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::SERVER, "upstream")
            .header("x-request-id", "req_0123456789")
            .body(Body::new(Scripted::new(self.response)))
            .expect("a response")
    }
}

/// So many bytes in frames of this size. They live for ever, so that handing one out is free.
fn frames(bytes: usize, size: usize) -> &'static [Bytes] {
    let bytes: &'static [u8] = vec![b'a'; bytes].leak();
    let frames: Vec<Bytes> = bytes.chunks(size).map(Bytes::from_static).collect();
    frames.leak()
}

/// A body of ready frames.
struct Scripted {
    frames: std::slice::Iter<'static, Bytes>,
    bytes: u64,
    known: bool,
}

impl Scripted {
    fn new(frames: &'static [Bytes]) -> Self {
        Self {
            bytes: frames.iter().map(|frame| frame.len() as u64).sum(),
            // A stream of many frames does not know its length.
            known: frames.len() < 100,
            frames: frames.iter(),
        }
    }
}

impl http_body::Body for Scripted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.next().cloned();
        if let Some(frame) = &frame {
            self.bytes -= frame.len() as u64;
        }
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.known && self.bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.known {
            SizeHint::with_exact(self.bytes)
        } else {
            SizeHint::new()
        }
    }
}
