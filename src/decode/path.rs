//! What a path says besides its dialect: Google and Amazon name the model there, and whether to stream.

use percent_encoding::percent_decode_str;

/// The last segment of a path and what stands before its slash, whatever slashes come after it.
pub(super) fn split_last(mut path: &[u8]) -> (&[u8], &[u8]) {
    while let Some(shorter) = path.strip_suffix(b"/") {
        path = shorter;
    }
    // Segments are short: to call memrchr costs more.
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => {
            let (before, last) = path.split_at(at);
            (before, last.get(1..).unwrap_or_default())
        }
        None => (b"", path),
    }
}

/// A segment in Google's form `model:method`, taken apart.
pub(super) fn split_method(segment: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(b':', segment)?;
    let (model, method) = segment.split_at(at);
    Some((model, method.get(1..).unwrap_or_default()))
}

/// Whether a path ends in a model of Amazon's: `…/model/<model>`.
pub(super) fn is_of_model(path: &[u8]) -> bool {
    split_last(path).0.ends_with(b"/model")
}

/// The model that a path names: `…/models/<model>:<method>` or `…/model/<model>/<method>`.
pub(super) fn model(path: &str) -> Option<String> {
    let path = path.trim_end_matches('/');
    let (before, last) = path.rsplit_once('/')?;
    let (before, segment) = match before.rsplit_once('/') {
        Some((before, model)) if before.ends_with("/model") => (before, model),
        _ => (before, last),
    };
    let segment = percent_decode_str(segment).decode_utf8().ok()?;
    let model = match before.ends_with("/model") {
        true => segment.as_ref(),
        false => segment.rsplit_once(':')?.0,
    };
    (!model.is_empty()).then(|| model.to_owned())
}

/// Whether a path asks for a stream.
pub(super) fn asks_for_stream(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    [
        "streamGenerateContent",
        "streamRawPredict",
        "/converse-stream",
        "/invoke-with-response-stream",
    ]
    .iter()
    .any(|method| path.ends_with(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_the_path() {
        let named = |path| model(path).unwrap_or_default();
        assert_eq!(
            named("/v1beta/models/gemini-2.5-pro:streamGenerateContent"),
            "gemini-2.5-pro"
        );
        assert_eq!(
            named("/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@1:rawPredict"),
            "claude-x@1"
        );
        assert_eq!(named("/v1beta/models/gemini%3AgenerateContent/"), "gemini");
        assert_eq!(
            named("/bedrock/model/amazon.nova-micro-v1%3A0/converse"),
            "amazon.nova-micro-v1:0"
        );
        assert_eq!(
            named("/model/arn%3Aaws%3Abedrock%3A%3A1%3Ainference-profile%2Fus.x/invoke"),
            "arn:aws:bedrock::1:inference-profile/us.x"
        );
        assert_eq!(model("/v1/messages"), None);
        assert_eq!(model(""), None);
        assert_eq!(
            model("/v1internal:generateContent"),
            Some("v1internal".into())
        );
    }

    #[test]
    fn streams_are_asked_for_by_the_path() {
        assert!(asks_for_stream("/model/m/converse-stream"));
        assert!(asks_for_stream("/v1beta/models/m:streamGenerateContent"));
        assert!(!asks_for_stream("/v1beta/models/m:generateContent"));
    }
}
