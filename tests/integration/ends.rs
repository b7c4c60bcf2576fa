//! However an exchange ends over a real connection, both sides see what they would see without the
//! layer, and it is recorded once, as what it was.

mod failures;
mod framing;
mod gone;
mod requests;
mod stores;
mod upgrades;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{BoxError, body::Body};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::{Recorder, RecordingLayerBuilder};

use crate::support::{Shelf, serve};

const QUESTION: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Say hello"}]}"#;
const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

/// Reads a request to its end.
async fn read(request: Request<Body>) -> Result<(), BoxError> {
    request.into_body().collect().await?;
    Ok(())
}

/// An event of a streamed answer.
fn event(text: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"gpt-4o\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
    )
}

/// These events, and nothing after them for ever. The receiver hears when the stream is dropped.
fn stalled(events: [&str; 2]) -> (Body, oneshot::Receiver<()>) {
    let (held, dropped) = oneshot::channel();
    let events = events.map(|text| Ok::<_, BoxError>(Bytes::from(event(text))));
    let stream = stream::iter(events).chain(stream::pending());
    (Body::from_stream(holding(stream, held)), dropped)
}

/// A stream that holds something for as long as it lives.
fn holding<S: Stream>(stream: S, held: oneshot::Sender<()>) -> impl Stream<Item = S::Item> {
    stream.map(move |item| {
        let _ = &held;
        item
    })
}

/// A streamed response with this body.
fn streamed(body: Body) -> Response<Body> {
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(body).expect("a response")
}

/// One handler behind two servers, without the layer and with it. Everything is recorded.
struct Pair {
    bare: SocketAddr,
    layered: SocketAddr,
    shelf: Arc<Shelf>,
    recorder: Recorder,
}

impl Pair {
    async fn new<H, F>(handler: H) -> Self
    where
        H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
    {
        Self::with(|builder| builder.also_record(|_, _| true), handler).await
    }

    async fn with<H, F>(
        set: impl FnOnce(RecordingLayerBuilder) -> RecordingLayerBuilder,
        handler: H,
    ) -> Self
    where
        H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
    {
        let shelf = Shelf::new();
        let layer = set(shelf.layer()).build().expect("a layer");
        let recorder = layer.recorder();
        let handler = service_fn(handler);
        let bare = handler
            .clone()
            .map_request(|request: Request<_>| request.map(Body::new));
        let layered =
            layer.layer(handler.map_request(|request: Request<_>| request.map(Body::new)));
        Self {
            bare: serve(bare).await,
            layered: serve(layered).await,
            shelf,
            recorder,
        }
    }

    /// What the server says to these bytes before it closes, the same with and without the layer.
    async fn says(&self, request: &str) -> String {
        let bare = speak(self.bare, request).await;
        let layered = speak(self.layered, request).await;
        assert_eq!(layered, bare);
        layered
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, future).await.expect("in time")
}

/// Sends bytes and reads until the server closes. The date, which may differ, is left out.
async fn speak(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // Where a handler fails, the connection may be reset.
    let _ = in_time(stream.read_to_end(&mut answer)).await;
    undated(&answer)
}

fn undated(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    text.split_inclusive("\r\n")
        .filter(|line| !line.starts_with("date: "))
        .collect()
}

/// Reads until these bytes have come.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let byte = in_time(stream.read_u8()).await.expect("a byte");
        read.push(byte);
    }
    undated(&read)
}

/// A request with this body on a connection of its own.
fn post(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-session-id: s\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
