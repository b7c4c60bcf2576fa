//! Stored texts as they were said.

use serde_json::Value;

use crate::escape;

/// What every escape in a stored text begins with.
const ESCAPE: char = '␛';

/// The text as it was said; a byte of it that was not UTF-8 shows as U+FFFD.
pub(crate) fn readable(column: String) -> String {
    if !column.contains(ESCAPE) {
        return column;
    }
    String::from_utf8_lossy(&escape::unescape(&column)).into_owned()
}

/// JSON text with its strings as they were said. It is left as it was sent wherever it can be,
/// with its keys in their order and its numbers in their digits.
pub(crate) fn readable_json(column: String) -> String {
    if !column.contains(ESCAPE) {
        return column;
    }
    serde_json::from_str(&column).map_or(column, |value| readable_value(value).to_string())
}

fn readable_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(readable(text)),
        Value::Array(values) => values.into_iter().map(readable_value).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (readable(name), readable_value(value)))
                .collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_left_as_it_was_sent_but_for_what_had_to_be_escaped() {
        let sent = r#"{"b":1.50,"a":[{}]}"#.to_owned();
        assert_eq!(readable_json(sent.clone()), sent);
        let stored = r#"{"a␛␛":["x␛00",{"b":"␛FF"}]}"#.to_owned();
        let shown = r#"{"a␛":["x\u0000",{"b":"\ufffd"}]}"#;
        let shown: Value = serde_json::from_str(shown).unwrap();
        let read: Value = serde_json::from_str(&readable_json(stored)).unwrap();
        assert_eq!(read, shown);
        assert_eq!(readable_json("not JSON ␛".to_owned()), "not JSON ␛");
    }
}
