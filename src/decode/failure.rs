//! An error body in any of the shapes that providers send.

use serde_json::Value;

use super::json;
use crate::{conversation::ProviderError, escape};

/// How much of a body that is no JSON becomes the message.
const MAX_MESSAGE_CHARS: usize = 1000;

/// Reads the body of a failed response; `None` where it is in no known shape.
pub(super) fn body(source: &str) -> Option<ProviderError> {
    json::read(source).and_then(|value: Value| of(&value))
}

/// An error whose bytes are all that is known of it: they are the message, cut to 1,000 characters.
pub(super) fn plain(bytes: &[u8]) -> ProviderError {
    let head = bytes.get(..4 * MAX_MESSAGE_CHARS).unwrap_or(bytes);
    stored(&escape::text(super::repair::whole_characters(head)))
}

/// The same for text that is in stored form already.
pub(super) fn stored(text: &str) -> ProviderError {
    ProviderError {
        message: escape::first_chars(text.trim(), MAX_MESSAGE_CHARS).to_owned(),
        ..ProviderError::default()
    }
}

/// Reads a document that may carry an error: `{"error": {…}}`, `{"error": "…"}`, `{"message": "…"}`,
/// `{"detail": …}`, `{"errors": […]}`, or a list of one of them.
pub(super) fn of(value: &Value) -> Option<ProviderError> {
    match value {
        Value::Array(values) => values.first().and_then(of),
        Value::Object(members) => {
            let inner = ["error", "errors", "detail", "fault"]
                .into_iter()
                .find_map(|key| members.get(key).and_then(object));
            let mut error = match inner {
                Some(error) => error,
                None => object(value).filter(|error| !error.message.is_empty())?,
            };
            error.code = error
                .code
                .or_else(|| word(members.get("code").or_else(|| members.get("statusCode"))))
                .or_else(|| word(members.get("__type")).map(shape));
            error.kind = error
                .kind
                .or_else(|| word(members.get("type")).filter(|kind| kind != "error"))
                .or_else(|| word(members.get("error_type")));
            for name in ["request_id", "metadata", "user_id"] {
                if let Some(value) = members.get(name).filter(|value| !value.is_null()) {
                    let other = &mut error.other;
                    other.entry(name).or_insert_with(|| value.clone());
                }
            }
            Some(error)
        }
        _ => None,
    }
}

/// Reads what stands in an `error` member; `None` where that is null or says nothing.
pub(super) fn object(value: &Value) -> Option<ProviderError> {
    match value {
        Value::String(message) if !message.is_empty() => Some(ProviderError {
            message: message.clone(),
            ..ProviderError::default()
        }),
        Value::Array(values) => values.first().and_then(object),
        Value::Object(members) if !members.is_empty() => {
            let message = [
                "message",
                "msg",
                "faultstring",
                "detail",
                "error",
                "Message",
            ]
            .into_iter()
            .find_map(|key| members.get(key));
            Some(ProviderError {
                message: match message {
                    Some(Value::String(message)) => message.clone(),
                    Some(Value::Null) | None => String::new(),
                    Some(other) => other.to_string(),
                },
                code: word(members.get("code")),
                kind: word(
                    members
                        .get("type")
                        .filter(|kind| !kind.is_null())
                        .or_else(|| members.get("status").filter(|status| status.is_string()))
                        .or_else(|| members.get("error_type")),
                ),
                other: members
                    .iter()
                    .filter(|(name, value)| !is_told(name) && !value.is_null())
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            })
        }
        _ => None,
    }
}

/// Whether a member of an error has a place of its own.
fn is_told(name: &str) -> bool {
    ["message", "msg", "Message", "code", "type", "status"].contains(&name)
}

/// The name of a shape of Amazon's, without its namespace.
fn shape(name: String) -> String {
    match name.rsplit_once('#') {
        Some((_, name)) => name.to_owned(),
        None => name,
    }
}

fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(word) if !word.is_empty() => Some(word.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> (String, Option<String>, Option<String>) {
        let ProviderError {
            message,
            code,
            kind,
            other: _,
        } = body(source).unwrap_or_else(|| plain(source.as_bytes()));
        (message, code, kind)
    }

    fn some(word: &str) -> Option<String> {
        Some(word.to_owned())
    }

    #[test]
    fn every_shape_is_read() {
        let whole = r#"{"error":{"message":"no","type":"t","code":429,"param":null}}"#;
        assert_eq!(read(whole), ("no".to_owned(), some("429"), some("t")));
        assert_eq!(
            read(r#"[{"error":{"code":400,"message":"no","status":"S"}}]"#),
            ("no".to_owned(), some("400"), some("S"))
        );
        assert_eq!(read(r#"{"error":"no"}"#), ("no".to_owned(), None, None));
        assert_eq!(
            read(r#"{"object":"error","message":"no","type":"T","code":4}"#),
            ("no".to_owned(), some("4"), some("T"))
        );
        assert_eq!(read(r#"{"detail":"no"}"#), ("no".to_owned(), None, None));
        assert_eq!(
            read(r#"{"detail":[{"msg":"no","type":"missing"}]}"#),
            ("no".to_owned(), None, some("missing"))
        );
        assert_eq!(
            read(r#"{"__type":"com.amazon.coral#ThrottlingException","Message":"no"}"#),
            ("no".to_owned(), some("ThrottlingException"), None)
        );
        assert_eq!(
            read("<html>no</html>\n"),
            ("<html>no</html>".to_owned(), None, None)
        );
        assert_eq!(
            read(r#"{"else":1}"#),
            (r#"{"else":1}"#.to_owned(), None, None)
        );
    }

    #[test]
    fn a_long_text_is_cut_to_a_thousand_characters() {
        assert_eq!(read(&"é".repeat(5000)).0, "é".repeat(1000));
    }

    #[test]
    fn a_nul_in_plain_text_is_escaped() {
        assert_eq!(plain(b"a\0b").message, "a␛00b");
    }
}
