//! From what was captured to what was said.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Workshop;
use crate::{
    decode::{self, Payload, Policy, Spoken},
    escape,
    exchange::{Exchange, RequestEnd, RequestState},
    outcome::{Outcome, Truncated},
    prefix::{Prefix, take},
    settings::MAX_RAW_BYTES,
};

/// Decodes both bodies, within this writer's part of the budget. Where decoding panics, they are kept as they came.
pub(super) fn hear(
    workshop: &Workshop,
    exchange: &Exchange,
    request: &RequestState,
    prefix: Prefix<'_>,
) -> Spoken {
    let Workshop {
        channel, settings, ..
    } = workshop;
    let header = |name| escape::text(prefix.header(name).unwrap_or_default());
    let (request_type, request_encoding) = (header("content-type"), header("content-encoding"));
    let (response_type, rest) = take(exchange.response.prefix()).unwrap_or_default();
    let (response_encoding, _) = take(rest).unwrap_or_default();
    let (response_type, response_encoding) =
        (escape::text(response_type), escape::text(response_encoding));
    let request_segments: Vec<&[u8]> = request.capture.segments().collect();
    let response_segments: Vec<&[u8]> = exchange.response.segments().collect();

    let max_bytes = settings.max_request_bytes.max(settings.max_response_bytes);
    let writers = channel.rings().len().max(1);
    let policy = Policy {
        max_decoded_bytes: max_bytes.min(channel.vault.max_expanded_bytes() / writers),
        max_parsed_bytes: channel.vault.max_parsed_bytes() / writers,
        max_raw_bytes: MAX_RAW_BYTES,
        keep_media: settings.keep_media,
    };
    let captured = (request.capture.truncated()).max(exchange.response.truncated());
    let path = escape::text(prefix.path());
    let attempt = |path: &str| {
        let request = Payload {
            content_type: &request_type,
            content_encoding: &request_encoding,
            segments: &request_segments,
            truncated: request.capture.truncated() != Truncated::No
                || request.end != RequestEnd::Complete,
        };
        let response = Payload {
            content_type: &response_type,
            content_encoding: &response_encoding,
            segments: &response_segments,
            truncated: exchange.response.truncated() != Truncated::No
                || exchange.outcome != Outcome::Complete,
        };
        let response = exchange.status.map(|status| (status, response));
        catch_unwind(AssertUnwindSafe(|| {
            decode::exchange(path, request, response, &policy)
        }))
    };
    let spoken = attempt(&path).unwrap_or_else(|_| {
        channel.counters.decode_panics.add(1);
        // A path that is nobody's is kept as it came.
        attempt("").unwrap_or_default()
    });
    channel.counters.shed_bytes.add(spoken.shed_bytes);
    // What was missing before is counted when the exchange is recycled.
    if spoken.truncated == Truncated::Budget && captured == Truncated::No {
        channel.counters.truncated_budget.add(1);
    }
    Spoken {
        truncated: spoken.truncated.max(captured),
        ..spoken
    }
}
