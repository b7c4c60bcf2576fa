//! Base64 payloads replaced by a stub, so that a picture does not fill the database.
//!
//! The stub is a string where the payload was a string: `data:image/png;bytes=1234;sha256=<64 hex digits>`,
//! with the size and the digest of the decoded bytes. Where the media type is not stated it is
//! `application/octet-stream`; where the base64 is not valid, size and digest are those of its text.

mod marks;

use std::fmt::Write;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub(super) use self::marks::Marks;

const UNKNOWN: &str = "application/octet-stream";

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The stub for a whole `data:<type>;base64,` URL; `None` for any other text.
pub(super) fn stub_url(text: &str) -> Option<String> {
    let (head, payload) = text.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    Some(stub(media_type, payload))
}

/// Replaces every payload within a value: data URLs anywhere, and the base64 that stands bare in
/// `input_audio.data`, `audio.data`, a base64 `source.data`, `inlineData.data`, the `source.bytes` of an
/// `image`, `document` or `video`, `file_data` and `b64_json`.
pub(super) fn stub_within(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(stub) = stub_url(text) {
                *text = stub;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(stub_within),
        Value::Object(members) => stub_members(members),
        _ => {}
    }
}

/// Does the same for the members of an object.
pub(super) fn stub_members(members: &mut Map<String, Value>) {
    for (key, value) in members.iter_mut() {
        stub_within(value);
        match (key.as_str(), value) {
            ("input_audio" | "audio", Value::Object(audio)) => {
                let media_type = match audio.get("format").and_then(Value::as_str) {
                    Some(format) => format!("audio/{format}"),
                    None => UNKNOWN.to_owned(),
                };
                stub_bare(audio.get_mut("data"), &media_type);
            }
            ("source", Value::Object(source))
                if source.get("type").is_some_and(|kind| kind == "base64") =>
            {
                let media_type = source
                    .get("media_type")
                    .and_then(Value::as_str)
                    .unwrap_or(UNKNOWN)
                    .to_owned();
                stub_bare(source.get_mut("data"), &media_type);
            }
            ("inlineData", Value::Object(inline)) => {
                let media_type = inline
                    .get("mimeType")
                    .and_then(Value::as_str)
                    .unwrap_or(UNKNOWN)
                    .to_owned();
                stub_bare(inline.get_mut("data"), &media_type);
            }
            (kind @ ("image" | "document" | "video"), Value::Object(media)) => {
                let media_type = match (kind, media.get("format").and_then(Value::as_str)) {
                    (_, None) => UNKNOWN.to_owned(),
                    ("document", Some("pdf")) => "application/pdf".to_owned(),
                    ("document", Some(format)) => format!("text/{format}"),
                    (kind, Some(format)) => format!("{kind}/{format}"),
                };
                let source = media.get_mut("source").and_then(Value::as_object_mut);
                stub_bare(
                    source.and_then(|source| source.get_mut("bytes")),
                    &media_type,
                );
            }
            ("file_data" | "b64_json", value) => stub_bare(Some(value), UNKNOWN),
            _ => {}
        }
    }
}

/// Replaces a payload that stands bare.
pub(super) fn stub_bare(value: Option<&mut Value>, media_type: &str) {
    if let Some(Value::String(payload)) = value
        && !payload.is_empty()
        && !payload.starts_with("data:")
    {
        *payload = stub(media_type, payload);
    }
}

fn stub(media_type: &str, payload: &str) -> String {
    let (bytes, digest) =
        measure(payload).unwrap_or_else(|| (payload.len(), Sha256::digest(payload)));
    let mut stub = format!(
        "data:{};bytes={bytes};sha256=",
        if media_type.is_empty() {
            UNKNOWN
        } else {
            media_type
        }
    );
    for byte in digest {
        let _ = write!(stub, "{byte:02x}");
    }
    stub
}

/// Size and digest of the decoded bytes. Streamed audio comes as several base64 texts in a row, each with its
/// own padding.
fn measure(payload: &str) -> Option<(usize, sha2::digest::Output<Sha256>)> {
    let mut sha256 = Sha256::new();
    let mut length = 0;
    let mut rest = payload.trim_ascii();
    let engine = if rest.contains(['-', '_']) {
        URL_SAFE
    } else {
        STANDARD
    };
    while !rest.is_empty() {
        let padding = rest.find('=').unwrap_or(rest.len());
        let (part, tail) = rest.split_at(padding);
        let decoded = engine.decode(part).ok()?;
        sha256.update(&decoded);
        length += decoded.len();
        rest = tail.trim_start_matches('=');
    }
    Some((length, sha256.finalize()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HELLO: &str = "sha256=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn a_data_url_becomes_type_size_and_digest() {
        assert_eq!(
            stub_url("data:image/png;base64,aGVsbG8="),
            Some(format!("data:image/png;bytes=5;{HELLO}"))
        );
        assert_eq!(stub_url("data:text/plain,hello"), None);
        assert_eq!(stub_url("https://example.com/a.png"), None);
    }

    #[test]
    fn a_stub_is_not_stubbed_again() {
        let stub = stub_url("data:image/png;base64,aGVsbG8=").expect("a stub");
        assert_eq!(stub_url(&stub), None);
    }

    #[test]
    fn padded_parts_in_a_row_are_one_payload() {
        assert_eq!(stub(UNKNOWN, "aGU=bGxv"), stub(UNKNOWN, "aGVsbG8="));
    }

    #[test]
    fn invalid_base64_is_measured_as_text() {
        let stub = stub_url("data:image/png;base64,%%%").expect("a stub");
        assert!(stub.starts_with("data:image/png;bytes=3;sha256="));
    }

    #[test]
    fn bare_payloads_are_known_by_their_place() {
        let mut value = json!([
            {"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}},
            {"type": "file", "file": {"file_data": "aGVsbG8=", "filename": "a"}},
            {"type": "reasoning.encrypted", "data": "aGVsbG8="},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}},
            {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8"}},
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": "aGVsbG8="}}},
        ]);
        stub_within(&mut value);
        assert_eq!(
            value[0]["input_audio"]["data"],
            format!("data:audio/wav;bytes=5;{HELLO}")
        );
        assert_eq!(
            value[1]["file"]["file_data"],
            format!("data:{UNKNOWN};bytes=5;{HELLO}")
        );
        assert_eq!(value[2]["data"], "aGVsbG8=");
        assert_eq!(
            value[3]["image_url"]["url"],
            format!("data:image/png;bytes=5;{HELLO}")
        );
        assert_eq!(
            value[4]["inlineData"]["data"],
            format!("data:image/png;bytes=5;{HELLO}")
        );
        assert_eq!(
            value[5]["document"]["source"]["bytes"],
            format!("data:application/pdf;bytes=5;{HELLO}")
        );
    }
}
