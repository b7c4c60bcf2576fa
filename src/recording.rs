//! An exchange while it is under way: the request's half and the response's, each settled once.

use std::{net::IpAddr, sync::Arc, time::Instant};

use bytes::Buf;
use http::{HeaderMap, Method, StatusCode, header};
use http_body::SizeHint;

use crate::{
    capture::Capture,
    channel::Channel,
    context::RecordingContext,
    exchange::{Exchange, RequestEnd, RequestHalf},
    id::Id,
    outcome::Outcome,
    prefix,
};

/// What is known of an exchange when it begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) id: Option<Id>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) context: Option<RecordingContext>,
    pub(crate) shard: u64,
    pub(crate) asked: Asked,
    pub(crate) max_response_bytes: usize,
}

/// Methods whose responses are framed in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Head,
    Connect,
    Other,
}

impl Asked {
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether the response has no body, whatever its headers say.
    fn is_bodiless(self, status: StatusCode) -> bool {
        self == Self::Head
            || self == Self::Connect && status.is_success()
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

/// The response's half of an exchange that is under way. Dropped before it is settled, it settles
/// itself as cancelled.
#[derive(Debug)]
pub(crate) struct Recording(Option<Underway>);

#[derive(Debug)]
struct Underway {
    channel: Arc<Channel>,
    exchange: Exchange,
    max_response_bytes: usize,
    /// How long the response's body is, where known.
    expected: Option<u64>,
    asked: Asked,
}

impl Recording {
    pub(crate) fn begin(
        channel: Arc<Channel>,
        request: Arc<RequestHalf>,
        beginning: Beginning,
    ) -> Self {
        let Beginning {
            id,
            peer,
            context,
            shard,
            asked,
            max_response_bytes,
        } = beginning;
        let started = Instant::now();
        Self(Some(Underway {
            channel,
            exchange: Exchange {
                id,
                started,
                first_byte: None,
                ended: started,
                status: None,
                outcome: Outcome::ClientAbortBeforeHead,
                peer,
                request_context: context,
                response_context: None,
                shard,
                request,
                response: Capture::default(),
            },
            max_response_bytes,
            expected: None,
            asked,
        }))
    }

    /// How it will have ended if it is dropped from now on.
    pub(crate) fn presume(&mut self, outcome: Outcome) {
        if let Some(underway) = &mut self.0 {
            underway.exchange.outcome = outcome;
        }
    }

    /// The response has a head.
    pub(crate) fn head(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        context: Option<RecordingContext>,
        size: &SizeHint,
    ) {
        let Some(underway) = &mut self.0 else { return };
        underway.expected = if underway.asked.is_bodiless(status) {
            Some(0)
        } else {
            size.exact().or_else(|| content_length(headers))
        };
        let exchange = &mut underway.exchange;
        exchange.status = Some(status.as_u16());
        exchange.response_context = context;
        exchange.outcome = Outcome::ClientAbort;
        exchange.response.begin(
            &underway.channel.vault,
            underway.max_response_bytes,
            underway.expected,
            |segment| {
                for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
                    let value = headers.get(name).map_or(&b""[..], |value| value.as_bytes());
                    prefix::put(segment, value, prefix::MAX_VALUE_BYTES);
                }
            },
        );
    }

    /// A data frame of the response.
    #[inline]
    pub(crate) fn data(&mut self, data: &impl Buf) {
        let Some(underway) = &mut self.0 else { return };
        let exchange = &mut underway.exchange;
        if exchange.first_byte.is_none() && data.has_remaining() {
            exchange.first_byte = Some(Instant::now());
        }
        exchange.response.extend(&underway.channel.vault, data);
    }

    /// The response has ended like this. Later endings do not count.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        let Some(Underway {
            channel,
            mut exchange,
            ..
        }) = self.0.take()
        else {
            return;
        };
        exchange.ended = Instant::now();
        exchange.outcome = outcome;
        channel.send(exchange);
    }

    /// The response was dropped. That is its end where nothing more was to come: hyper drops a
    /// body without reading it to `None` when it knows the length, and cuts what exceeds it.
    pub(crate) fn dropped(&mut self, at_end: bool) {
        let Some(underway) = &self.0 else { return };
        let seen = underway.exchange.response.seen();
        let all_seen = underway.expected.is_some_and(|length| seen >= length);
        if at_end || all_seen {
            self.settle(Outcome::Complete);
        } else {
            self.cancelled();
        }
    }

    fn cancelled(&mut self) {
        let Some(underway) = &self.0 else { return };
        let outcome = if std::thread::panicking() {
            Outcome::Panicked
        } else {
            underway.exchange.outcome
        };
        self.settle(outcome);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.cancelled();
    }
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
#[derive(Debug)]
pub(crate) struct RequestTee {
    channel: Arc<Channel>,
    half: Arc<RequestHalf>,
    expected: Option<u64>,
}

impl RequestTee {
    pub(crate) fn new(
        channel: Arc<Channel>,
        half: Arc<RequestHalf>,
        expected: Option<u64>,
    ) -> Self {
        Self {
            channel,
            half,
            expected,
        }
    }

    /// A data frame of the request.
    pub(crate) fn data(&self, data: &impl Buf) {
        if let Some(mut state) = self.half.try_state() {
            state.capture.extend(&self.channel.vault, data);
        }
    }

    /// The request's body has ended.
    pub(crate) fn settle(&self, end: RequestEnd) {
        if let Some(mut state) = self.half.try_state()
            && state.end == RequestEnd::Open
        {
            state.end = end;
        }
    }

    /// The request's body was dropped.
    pub(crate) fn dropped(&self, at_end: bool) {
        let all_seen = self
            .half
            .try_state()
            .is_some_and(|state| self.expected == Some(state.capture.seen()));
        self.settle(if at_end || all_seen {
            RequestEnd::Complete
        } else {
            RequestEnd::Incomplete
        });
    }
}
