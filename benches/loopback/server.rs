//! The service behind every arm, and the server before it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, sync::watch};
use tower::{Service, ServiceExt};

use crate::traffic;

/// Reads the request whole and answers as it asks: with one body, or frame by frame.
#[derive(Clone)]
pub struct Upstream {
    reply: Bytes,
    events: &'static [Bytes],
    /// The last frame of a stream waits for this.
    released: watch::Receiver<bool>,
}

impl Upstream {
    pub fn new(frames: usize, released: watch::Receiver<bool>) -> Self {
        Self {
            reply: traffic::reply(),
            events: traffic::events(frames).leak(),
            released,
        }
    }

    fn answer(&self, streams: bool) -> Response<Body> {
        let (content_type, body) = if streams {
            let body = streamed(self.events, self.released.clone());
            ("text/event-stream", body)
        } else {
            ("application/json", Body::from(self.reply.clone()))
        };
        Response::builder()
            .header(header::CONTENT_TYPE, content_type)
            .header("x-request-id", "req_0123456789")
            .body(body)
            .expect("a response")
    }
}

/// Each frame goes out in a write of its own, as those of a proxied stream do.
fn streamed(events: &'static [Bytes], released: watch::Receiver<bool>) -> Body {
    let frames = stream::unfold(
        (events.iter(), released),
        |(mut left, mut released)| async move {
            let frame = left.next()?;
            tokio::task::yield_now().await;
            if left.as_slice().is_empty() {
                released.wait_for(|released| *released).await.ok()?;
            }
            Some((Ok::<_, Infallible>(frame.clone()), (left, released)))
        },
    );
    Body::from_stream(frames)
}

impl<B> Service<Request<B>> for Upstream
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async move {
            let streams = request.headers().get(header::ACCEPT).is_some();
            // A client that hangs up gets no answer anyway.
            let _ = request.into_body().collect().await;
            Ok(upstream.answer(streams))
        })
    }
}

/// Serves HTTP/1.1 with keep-alive on a free port of the loopback.
pub async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("nodelay");
            // `outlet` takes axum's body only, so every arm gets it.
            let service = service
                .clone()
                .map_request(|request: Request<Incoming>| request.map(Body::new));
            tokio::spawn(async move {
                // A client hangs up when it has measured.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    });
    address
}
