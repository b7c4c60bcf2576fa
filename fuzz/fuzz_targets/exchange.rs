//! Every decoder, behind every content type and encoding: the first bytes choose, the rest are both bodies.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_recording::internals::{
    Body, CONTENT_TYPES, ENCODINGS, MAX_DECODED_BYTES, MAX_RAW_BYTES, PATHS, hear,
};

fuzz_target!(|data: &[u8]| {
    let Some(([path, kind, encoding, flags, at], bodies)) = data.split_first_chunk::<5>() else {
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
});
