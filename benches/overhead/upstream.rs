//! The service behind every arm.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::Service;

use crate::traffic::Exchange;

/// Reads a body as hyper does: no further once it says that it is at its end.
pub async fn drain<B: http_body::Body>(body: B) {
    let mut body = pin!(body);
    while !body.is_end_stream() && body.frame().await.is_some() {}
}

/// Reads the request and answers.
#[derive(Clone, Copy)]
pub struct Upstream(pub Exchange);

impl<B> Service<Request<B>> for Upstream
where
    B: http_body::Body + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let exchange = self.0;
        Box::pin(async move {
            drain(request.into_body()).await;
            Ok(exchange.response())
        })
    }
}
