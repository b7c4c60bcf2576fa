//! Who speaks, and in which conversation: lines are headers, what follows an empty one is the body.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tower_recording::internals::identify;

fuzz_target!(|data: &[u8]| {
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
});
