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
    vault::Share,
};

/// Parsed messages take about as much again as the bodies they come from.
const DECODING_FACTOR: usize = 2;
/// What a compressed body is thought to expand to, before it is known.
const EXPANSION_FACTOR: usize = 8;

/// Decodes both bodies. Where decoding panics, they are kept as they came.
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
    let mut request_segments: Vec<&[u8]> = request.capture.segments().collect();
    let mut response_segments: Vec<&[u8]> = exchange.response.segments().collect();

    let need =
        need(&request_segments, &request_encoding) + need(&response_segments, &response_encoding);
    let affordable = channel.vault.try_charge(need, Share::Decoding);
    if !affordable {
        request_segments.clear();
        response_segments.clear();
    }
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
        let policy = Policy {
            max_decoded_bytes: settings.max_request_bytes.max(settings.max_response_bytes),
            max_raw_bytes: MAX_RAW_BYTES,
            keep_media: settings.keep_media,
        };
        catch_unwind(AssertUnwindSafe(|| {
            decode::exchange(path, request, response, &policy)
        }))
    };
    let mut spoken = attempt(&path).unwrap_or_else(|_| {
        channel.counters.decode_panics.add(1);
        // A path that is nobody's is kept as it came.
        attempt("").unwrap_or_default()
    });
    if affordable {
        channel.vault.release(need);
    } else {
        spoken.truncated = Truncated::Budget;
    }
    spoken
}

fn need(segments: &[&[u8]], encoding: &str) -> usize {
    let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
    let expansion = if encoding.is_empty() {
        1
    } else {
        EXPANSION_FACTOR
    };
    bytes * expansion * DECODING_FACTOR
}
