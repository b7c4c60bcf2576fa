//! An exchange while it is under way: the request's half and the response's, each settled once.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Buf;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body::SizeHint;

use crate::{
    channel::Channel,
    context::RecordingContext,
    exchange::{Exchange, RequestEnd, RequestHalf, RpcFailure},
    outcome::Outcome,
    prefix,
};

/// In which Amazon names an error.
static ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// The response's half of an exchange that is under way. Dropped before it is settled, it settles
/// itself as cancelled.
pub(crate) struct Recording {
    channel: Arc<Channel>,
    /// Until it is settled. All that is known stands in it: a recording is moved with its body.
    exchange: Option<Box<Exchange>>,
}

impl Recording {
    #[inline]
    pub(crate) fn begin(
        channel: Arc<Channel>,
        mut exchange: Box<Exchange>,
        timed_since: Option<Instant>,
    ) -> Self {
        exchange.started = Instant::now();
        exchange.started_at = SystemTime::now();
        exchange.added = timed_since.map(|since| since.elapsed());
        channel.begin();
        Self {
            channel,
            exchange: Some(exchange),
        }
    }

    /// How it will have ended if it is dropped from now on.
    pub(crate) fn presume(&mut self, outcome: Outcome) {
        if let Some(exchange) = &mut self.exchange {
            exchange.outcome = outcome;
        }
    }

    /// The response has a head.
    #[inline]
    pub(crate) fn head(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        context: Option<RecordingContext>,
        size: &SizeHint,
    ) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        let timed_since = exchange.added.map(|_| Instant::now());
        let expected = if exchange.asked.is_bodiless(status) {
            Some(0)
        } else {
            size.exact().or_else(|| content_length(headers))
        };
        exchange.status = Some(status.as_u16());
        exchange.response_context = context;
        exchange.outcome = Outcome::ClientAbort;
        let content_type = headers.get(header::CONTENT_TYPE);
        if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
            exchange.rpc_failure = RpcFailure::of(headers);
        }
        exchange.response.begin(
            &self.channel.vault,
            exchange.max_response_bytes,
            expected,
            |segment| {
                prefix::put_value(segment, content_type);
                prefix::put_value(segment, headers.get(header::CONTENT_ENCODING));
                // Where all is well Amazon sends none.
                let error_type = match status.as_u16() {
                    400.. => headers.get(&ERROR_TYPE),
                    _ => None,
                };
                prefix::put_value(segment, error_type);
            },
        );
        if let (Some(added), Some(since)) = (&mut exchange.added, timed_since) {
            *added += since.elapsed();
        }
    }

    /// A data frame of the response.
    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) {
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if exchange.first_byte.is_none() {
            exchange.first_byte = first_byte(data);
            exchange.first_bytes = data.remaining() as u64;
        }
        exchange.response.extend(&self.channel.vault, data);
    }

    /// The trailers of the response.
    #[cold]
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        if let Some(exchange) = &mut self.exchange
            && let Some(failure) = RpcFailure::of(trailers)
        {
            exchange.rpc_failure = Some(failure);
        }
    }

    /// The response has ended like this. Later endings do not count.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        self.settle_at(outcome, None);
    }

    /// The response has ended with the frame that has just come. If that was the first one, the
    /// clock was read for it.
    pub(crate) fn settle_with_frame(&mut self) {
        let at = self.exchange.as_ref().and_then(|exchange| {
            let is_first = exchange.response.seen() == exchange.first_bytes;
            exchange.first_byte.filter(|_| is_first)
        });
        self.settle_at(Outcome::Complete, at);
    }

    fn settle_at(&mut self, outcome: Outcome, at: Option<Instant>) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        let ended = at.unwrap_or_else(Instant::now);
        let added = exchange.added;
        exchange.ended = ended;
        exchange.outcome = outcome;
        self.channel.send(exchange);
        if let Some(added) = added {
            self.channel.added(added + ended.elapsed());
        }
    }

    /// The response was dropped. That is its end where nothing more was to come: hyper drops a
    /// body without reading it to `None` when it knows the length, and cuts what exceeds it.
    pub(crate) fn dropped(&mut self, at_end: bool) {
        let Some(exchange) = &self.exchange else {
            return;
        };
        if at_end || exchange.response.has_seen_all() {
            self.settle(Outcome::Complete);
        } else {
            self.cancelled();
        }
    }

    fn cancelled(&mut self) {
        let Some(exchange) = &self.exchange else {
            return;
        };
        let outcome = if std::thread::panicking() {
            Outcome::Panicked
        } else {
            exchange.outcome
        };
        self.settle(outcome);
    }
}

/// A body's `Debug` is in everyday log lines: it says that it is recorded, and not what.
impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.cancelled();
        self.channel.end();
    }
}

#[cold]
fn first_byte(data: &impl Buf) -> Option<Instant> {
    data.has_remaining().then(Instant::now)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The request's half of an exchange, held by the request's body.
pub(crate) struct RequestTee {
    channel: Arc<Channel>,
    half: Arc<RequestHalf>,
}

impl RequestTee {
    pub(crate) fn new(channel: Arc<Channel>, half: Arc<RequestHalf>) -> Self {
        Self { channel, half }
    }

    /// A data frame of the request.
    pub(crate) fn data(&self, data: &impl Buf) {
        self.half.extend(&self.channel.vault, data);
    }

    /// The request's body has ended.
    pub(crate) fn settle(&self, end: RequestEnd) {
        self.half.settle(end);
    }

    /// The request's body was dropped.
    pub(crate) fn dropped(&self, at_end: bool) {
        let capture = self.half.try_capture();
        let all_seen = capture.is_some_and(|capture| capture.has_seen_all());
        self.settle(if at_end || all_seen {
            RequestEnd::Complete
        } else {
            RequestEnd::Incomplete
        });
    }
}

impl fmt::Debug for RequestTee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTee").finish_non_exhaustive()
    }
}
