use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, value::RawValue};

use super::{Fault, Field, Source, count, document, text::special, value};

/// What is read where nothing follows it.
fn read<T>(source: &str, read: impl Fn(&mut Source<'_>) -> Option<T>) -> Option<T> {
    let mut map = Source::new(source, false);
    let value = read(&mut map)?;
    map.end().is_ok().then_some(value)
}

fn has_long_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|float| float.abs() > 9e18),
        Value::Array(values) => values.iter().any(has_long_number),
        Value::Object(members) => members.values().any(has_long_number),
        _ => false,
    }
}

/// Something like a document.
pub(super) fn source() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "{",
        "}",
        "[",
        "]",
        ",",
        ",",
        ":",
        ":",
        " ",
        "\n",
        "\"a\"",
        "\"b\":",
        "\"\"",
        r#""\"\\\/\b\f\n\r\t\u00e9""#,
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\ud83da""#,
        r#""\udc00\ud800""#,
        r#""\u00g0""#,
        r#""\x""#,
        "\"",
        "\\",
        "\u{1}",
        "\"\t\"",
        "é",
        "\"é\"",
        "\"a string of more than a block of bytes, ␛\"",
        "0",
        "-0",
        "01",
        "-",
        "12",
        "-7",
        "1.5",
        ".5",
        "1.",
        "1e3",
        "1E-2",
        "2e",
        "123456789012345678",
        "-1234567890123456789",
        "18446744073709551615",
        "18446744073709551616",
        "1e400",
        "true",
        "false",
        "null",
        "nul",
        "truex",
    ]);
    prop::collection::vec(word, 0..14).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn values_are_those_of_serde_json(source in source()) {
        let ours = read(&source, |map| map.value().ok());
        let theirs = serde_json::from_str::<Value>(&source).ok();
        if !theirs.as_ref().is_some_and(has_long_number) {
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn what_is_passed_over_is_what_serde_json_passes_over(source in source()) {
        let ours = read(&source, |map| map.raw().ok().map(|raw| raw.get().to_owned()));
        let theirs = serde_json::from_str::<&RawValue>(&source);
        prop_assert_eq!(ours, theirs.ok().map(|raw| raw.get().to_owned()));
    }

    #[test]
    fn strings_are_those_of_serde_json(pieces in prop::collection::vec("[ -~é]{0,40}|\n|\"|\\\\|\u{1}", 0..5)) {
        let text = pieces.concat();
        let source = serde_json::to_string(&text).expect("a string");
        let ours = read(&source, |map| map.text().ok().map(Cow::into_owned));
        prop_assert_eq!(ours, Some(text));
    }

    #[test]
    fn the_first_special_byte_is_found(before in "[ !#-\\[\\]-~é␛]{0,150}", after in "[\"\\\\\u{0}\u{1f}a]{0,9}", from in 0_usize..20) {
        let bytes = [before.as_bytes(), after.as_bytes()].concat();
        let is_special = |&(_, &byte): &(usize, &u8)| byte == b'"' || byte == b'\\' || byte < 0x20;
        let first = bytes.iter().enumerate().skip(from).find(is_special);
        let expected = first.map_or(bytes.len(), |(at, _)| at);
        if from <= bytes.len() {
            prop_assert_eq!(special(&bytes, from), expected);
        }
    }
}

#[test]
fn containers_are_entered_as_deeply_as_serde_json_does() {
    for depth in [1, 126, 127, 128, 129, 10_000] {
        let source = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let ours = read(&source, |map| map.value().ok());
        assert_eq!(ours, serde_json::from_str(&source).ok(), "{depth}");
        assert!(read(&source, |map| map.skip().ok()).is_some(), "{depth}");
    }
}

#[test]
fn what_is_nested_too_deeply_stays_source() {
    let source = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(value(&source), Value::String(source));
}

#[test]
fn a_document_that_ends_within_a_string_was_read_to_its_end() {
    for source in [r#""abc"#, r#""a\n\u00e9 c"#] {
        let mut cut = Source::new(source, false);
        assert!(cut.text().is_err());
        assert!(cut.is_at_end(), "{source}");
    }
}

#[test]
fn a_number_that_there_is_no_room_for_is_its_source() {
    #[derive(Default)]
    struct Members<'a>(Field<'a>, Option<i64>);

    impl<'de> super::Members<'de> for Members<'de> {
        fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
            match key.as_ref() {
                "a" => self.0 = map.field()?,
                _ => self.1 = count(map)?,
            }
            Ok(())
        }
    }

    let Members(odd, plain) = document(r#"{"b":1e999,"a":-1e400,"b":7}"#).expect("a document");
    assert!(matches!(odd, Field::Other(Value::String(source)) if source == "-1e400"));
    assert_eq!(plain, Some(7));
    assert!(document::<Members<'_>>(r#"{"a":1e}"#).is_none());
}
