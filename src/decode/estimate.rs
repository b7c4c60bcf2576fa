//! What a document takes in memory once it is parsed: estimated before, so that a few kilobytes of empty
//! objects do not become gigabytes.

use memchr::memchr_iter;
use serde_json::Value;

use super::json::{Passed, Raw};

/// Text stands in what is parsed, and once more where parts of it are joined.
const COPIES: usize = 2;
/// An element of a list that grows by doubling takes half of that; a member of an object takes all of it, once
/// in such a list with its source, and once with its key in a map whose leaves are half full.
pub(super) const ELEMENT_BYTES: usize = 160;
/// A leaf of the B-tree that a `serde_json::Map` is: there is room for eleven members in it, however few
/// there are.
pub(super) const OBJECT_BYTES: usize = 704;

/// The most that a byte of a document can take.
const MOST_PER_BYTE: usize = COPIES + OBJECT_BYTES;

/// So many bytes are counted at a time, for each of the two that are looked for, while they are at hand.
const COUNTED_BYTES: usize = 16 << 10;

/// Whether a document takes no more than this room.
pub(super) fn fits(source: &str, room: usize) -> bool {
    most(source) <= room || document(source, room) <= room
}

/// What a document takes, at most, as exactly as that matters for this room.
///
/// What may take more than a quarter of it is counted again without the strings, since code and JSON within
/// them are full of braces that make no objects.
pub(super) fn document(source: &str, room: usize) -> usize {
    let most = most(source);
    if most <= room / 16 {
        return most;
    }
    if room == 0 {
        let (elements, objects) = outside_of_strings(source.as_bytes());
        return of(source.len(), elements, objects);
    }
    // No element takes less than two bytes, its comma or bracket among them.
    let objects = memchr_iter(b'{', source.as_bytes()).count();
    let most = of(source.len(), source.len() / 2 + 1, objects);
    if most <= room / 8 {
        return most;
    }
    let mut elements = 0;
    for bytes in source.as_bytes().chunks(COUNTED_BYTES) {
        elements += memchr_iter(b',', bytes).count() + memchr_iter(b'[', bytes).count();
    }
    let estimate = of(source.len(), elements, objects);
    if estimate <= room / 4 {
        return estimate;
    }
    let (elements, objects) = outside_of_strings(source.as_bytes());
    of(source.len(), elements, objects)
}

fn most(source: &str) -> usize {
    source.len().saturating_mul(MOST_PER_BYTE)
}

fn of(bytes: usize, elements: usize, objects: usize) -> usize {
    (bytes.saturating_mul(COPIES))
        .saturating_add(elements.saturating_mul(ELEMENT_BYTES))
        .saturating_add(objects.saturating_mul(OBJECT_BYTES))
}

fn outside_of_strings(mut bytes: &[u8]) -> (usize, usize) {
    let (mut elements, mut objects) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = rest;
        match byte {
            b',' | b'[' => elements += 1,
            b'{' => objects += 1,
            b'"' => bytes = after_string(bytes),
            _ => {}
        }
    }
    (elements, objects)
}

fn after_string(mut bytes: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', bytes) {
        let is_end = bytes.get(at) == Some(&b'"');
        let read = if is_end { at + 1 } else { at + 2 };
        bytes = bytes.get(read..).unwrap_or_default();
        if is_end {
            return bytes;
        }
    }
    &[]
}

/// What a text takes that grows by doubling.
pub(super) fn text(text: &str) -> usize {
    text.len() * COPIES
}

/// What an object takes that has one member, with this source.
pub(super) fn member(key: &str, source: Raw<'_>) -> usize {
    let Passed {
        elements, objects, ..
    } = source.passed;
    let value = of(source.get().len(), elements as usize, objects as usize);
    OBJECT_BYTES + text(key) + value
}

/// What a value takes once it is parsed, of which the source is passed over.
pub(super) fn source(source: Raw<'_>) -> usize {
    let Passed {
        elements, objects, ..
    } = source.passed;
    let elements = (elements as usize + 1).saturating_mul(ELEMENT_BYTES);
    let objects = (objects as usize).saturating_mul(OBJECT_BYTES + ELEMENT_BYTES);
    (source.get().len())
        .saturating_add(elements)
        .saturating_add(objects)
}

/// What a value takes that has been parsed.
pub(super) fn value(value: &Value) -> usize {
    ELEMENT_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(self::value).sum(),
            Value::Object(members) => members.iter().fold(OBJECT_BYTES, |sum, (key, member)| {
                sum + ELEMENT_BYTES + key.len() + self::value(member)
            }),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_objects_weigh_more_than_their_bytes() {
        let source = format!("[{}]", vec!["{}"; 1000].join(","));
        assert!(document(&source, 0) > 700_000);
        assert!(!fits(&source, 700_000));
    }

    #[test]
    fn a_member_takes_what_its_source_does() {
        let source = r#"{"a\"{":[[],{},1,"[,{"],"b":[{}]}"#;
        let expected = OBJECT_BYTES + document(source, 0);
        assert_eq!(member("", Raw::new(source)), expected);
    }

    #[test]
    fn braces_in_strings_are_no_objects() {
        let source = json!([r#"\"{,["#.repeat(1000), {"a\\": 1}]).to_string();
        let estimate = of(source.len(), 2, 1);
        assert_eq!(document(&source, 0), estimate);
        assert!(fits(&source, estimate) && !fits(&source, estimate - 1));
        assert!(document(&source, source.len() * MOST_PER_BYTE) > estimate);
    }

    proptest! {
        #[test]
        fn no_document_takes_more_than_the_most_per_byte(source in "[{}\\[\\]\",:\\\\a]{0,60}") {
            for limit in [0, usize::MAX] {
                prop_assert!(document(&source, limit) <= source.len() * MOST_PER_BYTE);
            }
        }
    }
}
