//! The service that copies what passes.

use std::{
    cell::Cell,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use crate::{
    body::{RecordingBody, Tee},
    channel::Channel,
    exchange::Exchange,
    future::ResponseFuture,
    recorder::Recorder,
    recording::{Recording, RequestTee},
    rules::Rules,
};

/// Copies requests and responses as they pass through the inner service.
///
/// - Readiness, errors, headers, frames and trailers are the inner service's own. The inner
///   service takes `Request<RecordingBody<B>>` and may be anything that is generic over its body:
///   an axum `Router` or handler, tonic's routes, a `tower` stack.
/// - The request path never waits: a full queue or a used-up budget drops the copy, counted, and
///   never the traffic.
/// - A panic of the inner service is recorded and goes on as it would without the layer.
///
/// Made by [`RecordingLayer`](crate::RecordingLayer).
#[derive(Clone, Debug)]
pub struct RecordingService<S> {
    inner: S,
    recorder: Recorder,
}

impl<S> RecordingService<S> {
    pub(crate) fn new(inner: S, recorder: Recorder) -> Self {
        Self { inner, recorder }
    }

    /// The recorder that this service hands its exchanges to.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, for changing it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RecordingService<S>
where
    S: Service<Request<RecordingBody<ReqBody>>, Response = Response<ResBody>>,
    ReqBody: Body,
    ResBody: Body,
{
    type Response = Response<RecordingBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let rules = self.recorder.rules();
        let timed_since = is_timed().then(Instant::now);
        let exchange = if rules.wants(&request) {
            begin_exchange(rules, self.recorder.channel(), &request)
        } else {
            None
        };
        let Some(mut exchange) = exchange else {
            let request = request.map(RecordingBody::passing);
            return ResponseFuture::passing(self.inner.call(request));
        };
        rules.note(&request, &mut exchange);
        let tell = rules.tell(exchange.id);
        let channel = self.recorder.channel();
        let tee = RequestTee::new(Arc::clone(channel), Arc::clone(&exchange.request));
        let recording = Recording::begin(Arc::clone(channel), exchange, timed_since);
        let tee = Tee::of_request(request.body(), tee);
        let request = request.map(|body| RecordingBody::new(body, tee));
        ResponseFuture::recording(self.inner.call(request), recording, tell)
    }
}

/// Of one request in so many what the recorder adds is measured: reading the clock costs more than some
/// of what is measured. A prime, so that traffic with a rhythm of its own is met in every beat.
const TIMED_IN: u8 = 61;

thread_local! {
    static UNTIMED: Cell<u8> = const { Cell::new(0) };
}

/// Whether what the recorder adds to the request that begins is measured.
#[inline]
fn is_timed() -> bool {
    UNTIMED.with(|untimed| {
        let is_timed = untimed.get() == TIMED_IN - 1;
        untimed.set(if is_timed { 0 } else { untimed.get() + 1 });
        is_timed
    })
}

/// An exchange with the request's path and headers, or `None` where not even these may be kept.
fn begin_exchange<B: Body>(
    rules: &Rules,
    channel: &Channel,
    request: &Request<B>,
) -> Option<Box<Exchange>> {
    let mut exchange = channel.exchange();
    let begun = Arc::get_mut(&mut exchange.request).is_some_and(|half| {
        half.begin(
            &channel.vault,
            rules.max_request_bytes,
            request.body().size_hint().exact(),
            |segment| {
                rules
                    .allow_list
                    .copy(request.uri().path(), request.headers(), segment);
            },
        )
    });
    if begun {
        return Some(exchange);
    }
    channel.counters.dropped_budget.add(1);
    channel.keep(exchange);
    None
}
