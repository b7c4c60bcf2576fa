//! What must hold for any bytes.

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_recording::internals::{
    Body, CONTENT_TYPES, ENCODINGS, MAX_DECODED_BYTES, MAX_RAW_BYTES, PATHS, hear, identify,
};

/// How many bytes choose, before the bodies of an exchange.
pub const CHOICES: usize = 5;

/// Reads an exchange: the first bytes choose its path, content type and encoding, the rest are both bodies.
pub fn exchange(data: &[u8]) {
    let Some(([path, kind, encoding, flags, at], bodies)) = data.split_first_chunk::<CHOICES>()
    else {
        return;
    };
    let one_of = |list: &[&'static str], at: &u8| list[usize::from(*at) % list.len()];
    let (request, response) = bodies.split_at(bodies.len() * usize::from(*at) / 255);
    let body = |bytes| Body {
        content_type: one_of(&CONTENT_TYPES, kind),
        content_encoding: one_of(&ENCODINGS, encoding),
        bytes,
        is_cut: flags & 1 == 1,
    };
    let status = if flags & 2 == 2 { 400 } else { 200 };
    let heard = hear(one_of(&PATHS, path), status, body(request), body(response));
    // A byte that is no UTF-8 becomes five.
    assert!(heard.text_bytes <= 2 * (5 * MAX_DECODED_BYTES + 2 * MAX_RAW_BYTES));
}

/// Names who speaks: lines are headers, what follows an empty one is the body.
pub fn identity(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = &after[1..];
        if line.is_empty() {
            break;
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value)
            && headers.len() < 64
        {
            headers.append(name, value);
        }
    }
    for name in identify(&headers, &String::from_utf8_lossy(rest)) {
        assert!(!name.is_empty() && name.len() <= 255);
    }
}
