//! One request/response pair as it was captured.

mod half;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, Method, StatusCode};

pub(crate) use self::half::{RequestEnd, RequestHalf};
use crate::{capture::Capture, context::RecordingContext, id::Id, outcome::Outcome, vault::Vault};

/// One request/response pair with its timings, handed to a writer when the response has ended.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Set where the client was told.
    pub(crate) id: Option<Id>,
    pub(crate) started: Instant,
    /// The same by the calendar: a clock that is set later moves nothing.
    pub(crate) started_at: SystemTime,
    /// When the first byte of the response's body came.
    pub(crate) first_byte: Option<Instant>,
    pub(crate) ended: Instant,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Outcome,
    /// How gRPC says that it failed, whatever the status.
    pub(crate) rpc_failure: Option<Box<RpcFailure>>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) request_context: Option<RecordingContext>,
    pub(crate) response_context: Option<RecordingContext>,
    /// Exchanges of one conversation have the same, and so go to one writer, in order.
    pub(crate) shard: u64,
    pub(crate) asked: Asked,
    pub(crate) max_response_bytes: usize,
    /// What the recorder has added to the request so far, where that is measured.
    pub(crate) added: Option<Duration>,
    /// What it adds to the load of the queue that it is in.
    pub(crate) queued_load: u64,
    /// The length of the response's first frame.
    pub(crate) first_bytes: u64,
    /// Path and headers are its prefix. The request's body shares it until it has ended.
    pub(crate) request: Arc<RequestHalf>,
    /// Its content type and encoding are its prefix.
    pub(crate) response: Capture,
}

impl Exchange {
    /// An exchange that begins now.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            id: None,
            started: now,
            started_at: UNIX_EPOCH,
            first_byte: None,
            ended: now,
            status: None,
            outcome: Outcome::ClientAbortBeforeHead,
            rpc_failure: None,
            peer: None,
            request_context: None,
            response_context: None,
            shard: 0,
            asked: Asked::Other,
            max_response_bytes: 0,
            added: None,
            queued_load: 0,
            first_bytes: 0,
            request: Arc::default(),
            response: Capture::default(),
        }
    }

    /// What it takes of the budget.
    #[inline]
    pub(crate) fn held_bytes(&self) -> usize {
        self.response.held_bytes() + self.request.held_bytes()
    }

    /// Makes it as new, its segments returned.
    pub(crate) fn reset(&mut self, vault: &Vault) {
        let Self {
            id: _,
            started: _,
            started_at: _,
            first_byte,
            ended: _,
            status,
            outcome,
            rpc_failure,
            peer: _,
            request_context,
            response_context,
            shard: _,
            asked: _,
            max_response_bytes: _,
            added: _,
            queued_load: _,
            first_bytes: _,
            request,
            response,
        } = self;
        *first_byte = None;
        *status = None;
        *rpc_failure = None;
        *outcome = Outcome::ClientAbortBeforeHead;
        (*request_context, *response_context) = (None, None);
        response.give_back(vault);
        // A request's body that is still alive keeps its half.
        match Arc::get_mut(request) {
            Some(half) => half.reset(vault),
            None => *request = Arc::default(),
        }
    }
}

/// What gRPC says of a call that failed, in its trailers or, where there is no body, in its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RpcFailure {
    pub(crate) code: Box<[u8]>,
    /// Percent-encoded.
    pub(crate) message: Box<[u8]>,
}

impl RpcFailure {
    /// A longer code is none, and a longer message is cut.
    const MAX_CODE_BYTES: usize = 10;
    const MAX_MESSAGE_BYTES: usize = 256;

    /// What these say of a failure.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Box<Self>> {
        let code = headers.get("grpc-status")?.as_bytes();
        if code == b"0" || code.len() > Self::MAX_CODE_BYTES {
            return None;
        }
        let message = headers.get("grpc-message");
        let message = message.map_or(&b""[..], |message| message.as_bytes());
        let message = match message.len() > Self::MAX_MESSAGE_BYTES {
            true => first_encoded(message, Self::MAX_MESSAGE_BYTES),
            false => message,
        };
        Some(Box::new(Self {
            code: code.into(),
            message: message.into(),
        }))
    }
}

/// The beginning of a percent-encoded text, at most so many bytes, without a part of a character.
fn first_encoded(text: &[u8], most: usize) -> &[u8] {
    let (mut rest, mut end) = (text, 0);
    while text.len() - rest.len() <= most {
        let at = text.len() - rest.len();
        let (continues, after) = match rest {
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (
                    matches!(high, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
                    after,
                )
            }
            [byte, after @ ..] => ((0x80..0xC0).contains(byte), after),
            [] => return text,
        };
        if !continues {
            end = at;
        }
        rest = after;
    }
    text.get(..end).unwrap_or_default()
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
    pub(crate) fn is_bodiless(self, status: StatusCode) -> bool {
        self == Self::Head
            || self == Self::Connect && status.is_success()
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_of_grpc_is_cut_before_a_character_that_would_not_fit() {
        let cut = |message: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", "13".parse().expect("a value"));
            headers.insert("grpc-message", message.parse().expect("a value"));
            let failure = RpcFailure::of(&headers).expect("a failure");
            String::from_utf8(failure.message.into_vec()).expect("text")
        };
        let letters = |count| "a".repeat(count);
        assert_eq!(cut(&letters(256)), letters(256));
        assert_eq!(cut(&letters(257)), letters(256));
        for character in ["%25", "%C3%A9", "%e2%90%9b", "%F0%9F%A6%80"] {
            let most = RpcFailure::MAX_MESSAGE_BYTES - character.len();
            let fitting = letters(most) + character;
            assert_eq!(cut(&fitting.repeat(2)), fitting);
            for before in most + 1..=RpcFailure::MAX_MESSAGE_BYTES {
                let message = letters(before) + character + &letters(9);
                assert_eq!(cut(&message), letters(before), "{character}");
            }
        }
    }
}
