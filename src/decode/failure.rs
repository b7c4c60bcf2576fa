//! An error body in any of the shapes that providers send.

use serde_json::{Map, Value};

use crate::json;
use crate::{conversation::ProviderError, escape};

/// How much of a body that is no JSON becomes the message.
const MAX_MESSAGE_CHARS: usize = 1000;
/// The members of an error that may say what happened, in order of precedence.
const MESSAGES: [&str; 6] = [
    "message",
    "msg",
    "faultstring",
    "detail",
    "error",
    "Message",
];

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
            let is_bare = inner.is_none();
            let mut error = match inner {
                Some(error) => error,
                None => object(value).filter(|error| !error.message.is_empty())?,
            };
            if error.code.is_none()
                && let Some((name, word)) = first_word(members, &["code", "statusCode", "__type"])
            {
                let code = match name {
                    "__type" => shape(&word),
                    _ => &word,
                };
                if is_bare && code == word {
                    error.other.remove(name);
                }
                error.code = Some(code.to_owned());
            }
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
            let message = MESSAGES
                .into_iter()
                .filter_map(|name| Some((name, members.get(name)?)))
                .find(|(_, message)| !message.is_null());
            let code = first_word(members, &["code"]);
            let kind = first_word(members, &["type"])
                .or_else(|| {
                    first_word(members, &["status"]).filter(|_| has_text(members, "status"))
                })
                .or_else(|| first_word(members, &["error_type"]));
            let taken = [
                message.map(|(name, _)| name),
                code.as_ref().map(|(name, _)| *name),
                kind.as_ref().map(|(name, _)| *name),
            ];
            Some(ProviderError {
                message: match message {
                    Some((_, Value::String(message))) => message.clone(),
                    Some((_, other)) => other.to_string(),
                    None => String::new(),
                },
                code: code.map(|(_, code)| code),
                kind: kind.map(|(_, kind)| kind),
                other: members
                    .iter()
                    .filter(|(name, value)| !taken.contains(&Some(name)) && !value.is_null())
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            })
        }
        _ => None,
    }
}

/// The first of these members that is a word or a number, with its name.
fn first_word(
    members: &Map<String, Value>,
    names: &[&'static str],
) -> Option<(&'static str, String)> {
    names
        .iter()
        .find_map(|&name| Some((name, word(members.get(name))?)))
}

fn has_text(members: &Map<String, Value>, name: &str) -> bool {
    members.get(name).is_some_and(Value::is_string)
}

/// The name of a shape of Amazon's, without its namespace.
fn shape(name: &str) -> &str {
    name.rsplit_once('#').map_or(name, |(_, name)| name)
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
    fn every_member_stands_in_one_place() {
        for (source, other) in [
            (
                r#"{"fault":{"faultstring":"no","detail":7}}"#,
                r#"{"detail":7}"#,
            ),
            (r#"{"detail":"no"}"#, "{}"),
            (r#"{"error":{"detail":"no","loc":1}}"#, r#"{"loc":1}"#),
            (r#"{"error":{"error":"no","error_type":"t"}}"#, "{}"),
            (
                r#"{"error":{"message":"no","type":"t","error_type":"u"}}"#,
                r#"{"error_type":"u"}"#,
            ),
            (
                r#"{"error":{"message":"no","msg":"nor"}}"#,
                r#"{"msg":"nor"}"#,
            ),
            (
                r#"{"error":{"message":"no","status":400}}"#,
                r#"{"status":400}"#,
            ),
            (
                r#"{"error":{"message":"no","type":"t","status":"S"}}"#,
                r#"{"status":"S"}"#,
            ),
            (r#"{"error":{"message":"no","status":"S"}}"#, "{}"),
            (
                r#"{"error":{"message":"no","code":{"n":4},"type":[]}}"#,
                r#"{"code":{"n":4},"type":[]}"#,
            ),
            (r#"{"statusCode":401,"message":"no"}"#, "{}"),
            (r#"{"__type":"T","Message":"no"}"#, "{}"),
            (r#"{"__type":"a#T","Message":"no"}"#, r#"{"__type":"a#T"}"#),
        ] {
            let error = body(source).expect("an error");
            assert_eq!(error.message, "no", "{source}");
            assert_eq!(Value::Object(error.other).to_string(), other, "{source}");
        }
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
