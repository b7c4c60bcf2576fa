//! An exchange while it is under way: the request's half and the response's, each settled once.

use std::{net::IpAddr, sync::Arc, time::Instant};

use bytes::Buf;
use http::{HeaderMap, StatusCode, header};
use http_body::SizeHint;

use crate::{
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
    /// Whether the response will have no body, whatever its headers say.
    pub(crate) is_head: bool,
    pub(crate) max_response_bytes: usize,
}

/// The response's half of an exchange that is under way. Dropped before it is settled, it settles
/// itself as cancelled.
#[derive(Debug)]
pub(crate) struct Recording {
    channel: Arc<Channel>,
    /// Until it is settled.
    exchange: Option<Box<Exchange>>,
    max_response_bytes: usize,
    is_head: bool,
}

impl Recording {
    pub(crate) fn begin(
        channel: Arc<Channel>,
        mut exchange: Box<Exchange>,
        beginning: Beginning,
    ) -> Self {
        let Beginning {
            id,
            peer,
            context,
            shard,
            is_head,
            max_response_bytes,
        } = beginning;
        exchange.started = Instant::now();
        exchange.id = id;
        exchange.peer = peer;
        exchange.request_context = context;
        exchange.shard = shard;
        Self {
            channel,
            exchange: Some(exchange),
            max_response_bytes,
            is_head,
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
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        let bodiless =
            self.is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let expected = if bodiless {
            Some(0)
        } else {
            size.exact().or_else(|| content_length(headers))
        };
        exchange.status = Some(status.as_u16());
        exchange.response_context = context;
        exchange.outcome = Outcome::ClientAbort;
        exchange.response.begin(
            &self.channel.vault,
            self.max_response_bytes,
            expected,
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
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if exchange.first_byte.is_none() {
            exchange.first_byte = first_byte(data);
        }
        exchange.response.extend(&self.channel.vault, data);
    }

    /// The response has ended like this. Later endings do not count.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        exchange.ended = Instant::now();
        exchange.outcome = outcome;
        self.channel.send(exchange);
    }

    /// The response was dropped. That is its end where nothing more was to come: hyper drops a
    /// body without reading it to `None` when it knows the length.
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

impl Drop for Recording {
    fn drop(&mut self) {
        self.cancelled();
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
#[derive(Debug)]
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
            .is_some_and(|state| state.capture.has_seen_all());
        self.settle(if at_end || all_seen {
            RequestEnd::Complete
        } else {
            RequestEnd::Incomplete
        });
    }
}
