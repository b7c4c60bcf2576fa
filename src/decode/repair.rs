//! JSON that was cut: closed again, so that what came before the cut can still be read.

/// Closes a document that ends too early; `None` where it does not.
///
/// A string value keeps what is there of it. A key without its value, and a number or word that the cut may
/// have shortened, are dropped.
pub(super) fn close(source: &str) -> Option<String> {
    let mut scan = Scan::default();
    let bytes = source.as_bytes();
    while let Some(&byte) = bytes.get(scan.at) {
        scan.step(bytes, byte);
    }
    if scan.open.is_empty() && scan.string_start.is_none() {
        return None;
    }
    let mut closed = match scan.string_start {
        Some(_) if !scan.in_key => {
            let kept = scan.string_safe.min(source.len());
            let mut closed = source.get(..kept)?.to_owned();
            closed.push('"');
            closed
        }
        _ => source.get(..scan.safe)?.to_owned(),
    };
    closed.extend(
        scan.open
            .iter()
            .rev()
            .map(|&bracket| if bracket == b'{' { '}' } else { ']' }),
    );
    Some(closed)
}

/// The text without the first bytes of a character that the cut has split.
pub(super) fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).unwrap_or_default()
        }
        _ => bytes,
    }
}

#[derive(Default)]
struct Scan {
    at: usize,
    /// The brackets that stand open.
    open: Vec<u8>,
    /// Where the document could be cut and closed.
    safe: usize,
    /// Where the string began that the scan is in.
    string_start: Option<usize>,
    /// Where that string could be cut: never within an escape.
    string_safe: usize,
    in_key: bool,
    key_next: bool,
}

impl Scan {
    fn step(&mut self, bytes: &[u8], byte: u8) {
        if self.string_start.is_some() {
            self.step_in_string(bytes, byte);
            return;
        }
        let word = self.at;
        self.at += 1;
        match byte {
            b'"' => {
                self.string_start = Some(word);
                self.string_safe = self.at;
                self.in_key = self.key_next;
            }
            b'{' | b'[' => {
                self.open.push(byte);
                self.key_next = byte == b'{';
                self.safe = self.at;
            }
            b'}' | b']' => {
                self.open.pop();
                self.key_next = false;
                self.safe = self.at;
            }
            b',' => {
                self.key_next = self.open.last() == Some(&b'{');
            }
            b':' => self.key_next = false,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                match bytes
                    .get(self.at..)
                    .and_then(|rest| rest.iter().position(ends))
                {
                    Some(length) => {
                        self.at += length;
                        self.safe = self.at;
                    }
                    None => self.at = bytes.len(),
                }
            }
        }
    }

    fn step_in_string(&mut self, bytes: &[u8], byte: u8) {
        match byte {
            b'"' => {
                self.at += 1;
                self.string_start = None;
                if !self.in_key {
                    self.safe = self.at;
                }
            }
            b'\\' => {
                let length = if bytes.get(self.at + 1) == Some(&b'u') {
                    6
                } else {
                    2
                };
                self.at += length;
                if self.at <= bytes.len() {
                    self.string_safe = self.at;
                }
            }
            _ => {
                let rest = bytes.get(self.at..).unwrap_or_default();
                self.at += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                self.string_safe = self.at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn closed(source: &str) -> Value {
        let closed = close(source).expect("a cut document");
        serde_json::from_str(&closed).unwrap_or_else(|error| panic!("{closed}: {error}"))
    }

    #[test]
    fn a_cut_string_keeps_its_part() {
        assert_eq!(
            closed(r#"{"a":[{"b":"some te"#),
            json!({"a": [{"b": "some te"}]})
        );
        assert_eq!(closed(r#"["a\"b\"#), json!(["a\"b"]));
        assert_eq!(closed(r#"["a\u00e"#), json!(["a"]));
    }

    #[test]
    fn a_key_without_a_value_is_dropped() {
        for source in [
            r#"{"a":1,"b"#,
            r#"{"a":1,"b""#,
            r#"{"a":1,"b":"#,
            r#"{"a":1,"#,
            r#"{"a":1,"b": tr"#,
            r#"{"a":1,"b":12"#,
        ] {
            assert_eq!(closed(source), json!({"a": 1}), "{source}");
        }
    }

    #[test]
    fn a_whole_document_is_not_cut() {
        assert_eq!(close(r#"{"a":[1,"x"]}"#), None);
        assert_eq!(close(""), None);
    }

    #[test]
    fn a_split_character_is_dropped() {
        assert_eq!(whole_characters(&"aé".as_bytes()[..2]), b"a");
        assert_eq!(whole_characters(b"\xFFa"), b"\xFFa");
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a\"\\\\{}\\[\\],:é\n\u{1}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a\"\\\\,:]{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_cut_anywhere_parses_once_closed(value in document(), cut: prop::sample::Index) {
            let source = json!({ "root": value }).to_string();
            let cut = (1..source.len()).rev().find(|&at| at <= 1 + cut.index(source.len() - 1) && source.is_char_boundary(at));
            let cut = &source[..cut.unwrap_or(1)];
            let closed = close(cut).expect("a cut document");
            prop_assert!(serde_json::from_str::<Value>(&closed).is_ok(), "{} -> {}", cut, closed);
        }

        #[test]
        fn arbitrary_text_never_panics(source in "[{}\\[\\]\",:\\\\ua1é ]{0,40}") {
            let _ = close(&source);
        }
    }
}
