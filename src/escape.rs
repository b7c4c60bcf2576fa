//! Text that every database can hold, from bytes that it could not: reversible, and the same everywhere.
//!
//! `U+0000` becomes `␛00`, a byte that is not UTF-8 becomes `␛` and its two hexadecimal digits
//! (`␛FF`), and `␛` (U+241B) itself is doubled. All other text stays as it is.

mod surrogates;

use std::{borrow::Cow, sync::LazyLock};

use memchr::{
    memchr, memchr2,
    memmem::{self, Finder},
};

pub(crate) use self::surrogates::join_surrogates;

/// The mark that starts every escape.
const MARK: char = '␛';
const MARK_BYTES: [u8; 3] = *b"\xE2\x90\x9B";

/// Made once, since many events are shorter than this takes.
static MARKS: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(&MARK_BYTES));
static UNITS: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\\u"));

/// Turns any bytes into their stored form; borrows where nothing has to be escaped.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && needs_no_escape(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(bytes.len() + bytes.len() / 8);
    for chunk in bytes.utf8_chunks() {
        let mut valid = chunk.valid();
        while let Some(at) = valid.find(['\0', MARK]) {
            let (before, special) = valid.split_at(at);
            stored.push_str(before);
            stored.push(MARK);
            if let Some(rest) = special.strip_prefix('\0') {
                stored.push_str("00");
                valid = rest;
            } else {
                stored.push(MARK);
                valid = special.strip_prefix(MARK).unwrap_or_default();
            }
        }
        stored.push_str(valid);
        for &byte in chunk.invalid() {
            push_byte(&mut stored, byte);
        }
    }
    Cow::Owned(stored)
}

fn needs_no_escape(text: &[u8]) -> bool {
    // Most texts have neither a zero nor the byte with which the mark begins, and are searched once.
    let [first, ..] = MARK_BYTES;
    let Some(rest) = memchr2(0, first, text).and_then(|at| text.get(at..)) else {
        return true;
    };
    memchr(0, rest).is_none() && MARKS.find(rest).is_none()
}

/// Turns the source of a JSON document into one whose strings, once parsed, are in stored form.
///
/// A lone surrogate (`\ud83d`) stands as the bytes that WTF-8 gives it. What is no JSON stays none.
pub(crate) fn json(bytes: &[u8]) -> Cow<'_, str> {
    match text(bytes) {
        Cow::Borrowed(source) => escape_sequences(source),
        Cow::Owned(source) => match escape_sequences(&source) {
            Cow::Owned(rewritten) => Cow::Owned(rewritten),
            Cow::Borrowed(_) => Cow::Owned(source),
        },
    }
}

/// How many times as long a text may become in stored form: a byte that is not UTF-8 becomes five.
pub(crate) const MAX_GROWTH: usize = 5;

/// How long [`json`] makes a source, at most.
pub(crate) fn max_json_bytes(bytes: &[u8]) -> usize {
    let mut mark = [0; 4];
    let mark = MARK.encode_utf8(&mut mark).as_bytes();
    let marks = memmem::find_iter(bytes, mark).count();
    let nuls = memchr::memchr_iter(0, bytes).count();
    let invalid: usize = match std::str::from_utf8(bytes) {
        Ok(_) => 0,
        Err(_) => bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum(),
    };
    // Only a lone surrogate grows, but whether one is alone takes more than counting.
    let surrogates = memmem::find_iter(bytes, b"\\u")
        .filter(|at| matches!(bytes.get(at + 2), Some(b'd' | b'D')))
        .count();
    bytes.len() + 3 * marks + (MAX_GROWTH - 1) * (nuls + invalid) + 9 * surrogates
}

/// Gives back the bytes that a stored text stands for.
///
/// The exact inverse of the escaping: stored text is the original, but that `␛00` is U+0000, `␛` with two
/// upper-case hexadecimal digits is that byte, and `␛␛` is one `␛`. A `␛` with anything else after it was
/// not written by this crate and is left alone.
///
/// # Examples
///
/// ```
/// use tower_recording::unescape;
///
/// assert_eq!(unescape("a␛00b"), b"a\0b");
/// assert_eq!(unescape("␛FF"), [0xFF]);
/// assert_eq!(unescape("␛␛00"), "␛00".as_bytes());
/// ```
pub fn unescape(stored: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(stored.len());
    let mut rest = stored;
    while let Some((before, after)) = rest.split_once(MARK) {
        bytes.extend_from_slice(before.as_bytes());
        let mut mark = [0; 4];
        let mark = MARK.encode_utf8(&mut mark).as_bytes();
        if let Some(after) = after.strip_prefix(MARK) {
            bytes.extend_from_slice(mark);
            rest = after;
        } else if let Some((byte, after)) = hex_byte(after) {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.extend_from_slice(mark);
            rest = after;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The beginning of a stored text, at most so many bytes, without a part of a character or an escape.
pub(crate) fn first_bytes(stored: &str, at_most: usize) -> &str {
    let mut end = at_most.min(stored.len());
    while !stored.is_char_boundary(end) {
        end -= 1;
    }
    first(stored, end)
}

/// The beginning of a stored text, at most so many characters, without a part of an escape.
pub(crate) fn first_chars(stored: &str, at_most: usize) -> &str {
    let end = stored.char_indices().nth(at_most);
    first(stored, end.map_or(stored.len(), |(at, _)| at))
}

fn first(stored: &str, end: usize) -> &str {
    let (kept, cut_off) = stored.split_at_checked(end).unwrap_or((stored, ""));
    if cut_off.is_empty() {
        return kept;
    }
    // From the front, since in a row of marks only the count tells which of them begins an escape.
    let mut rest = kept;
    while let Some((_, after)) = rest.split_once(MARK) {
        let is_cut = match after.as_bytes() {
            [] => true,
            [digit] => is_hex_digit(*digit),
            _ => false,
        };
        if is_cut {
            let escape = after.len() + MARK.len_utf8();
            return kept.get(..kept.len() - escape).unwrap_or_default();
        }
        rest = after.strip_prefix(MARK).unwrap_or(after);
    }
    kept
}

fn is_hex_digit(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'A'..=b'F')
}

fn hex_byte(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    if !digits.bytes().all(is_hex_digit) {
        return None;
    }
    Some((u8::from_str_radix(digits, 16).ok()?, rest))
}

fn push_byte(stored: &mut String, byte: u8) {
    let digit = |value: u8| {
        char::from(if value < 10 {
            b'0' + value
        } else {
            b'A' + value - 10
        })
    };
    stored.push(MARK);
    stored.push(digit(byte >> 4));
    stored.push(digit(byte & 0xF));
}

/// Rewrites the escape sequences of `\u` that would parse to what cannot be stored, or not parse at all.
fn escape_sequences(source: &str) -> Cow<'_, str> {
    let bytes = source.as_bytes();
    let mut stored = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| UNITS.find(rest)) {
        let at = from + found;
        let backslashes = bytes[copied..at]
            .iter()
            .rev()
            .take_while(|&&byte| byte == b'\\')
            .count();
        from = at + 2;
        let Some(unit) = code_unit(bytes, at).filter(|_| backslashes % 2 == 0) else {
            continue;
        };
        from = at + 6;
        match unit {
            0xD800..=0xDBFF if matches!(code_unit(bytes, from), Some(0xDC00..=0xDFFF)) => {
                from += 6;
                continue;
            }
            0 | 0x241B | 0xD800..=0xDFFF => {}
            _ => continue,
        }
        stored.push_str(source.get(copied..at).unwrap_or_default());
        match unit {
            0 => push_byte(&mut stored, 0),
            0x241B => stored.extend([MARK, MARK]),
            surrogate => {
                push_byte(&mut stored, 0xE0 | (surrogate >> 12) as u8);
                push_byte(&mut stored, 0x80 | ((surrogate >> 6) & 0x3F) as u8);
                push_byte(&mut stored, 0x80 | (surrogate & 0x3F) as u8);
            }
        }
        copied = from;
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    stored.push_str(source.get(copied..).unwrap_or_default());
    Cow::Owned(stored)
}

/// The value of the `\uXXXX` that starts at this place.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit << 4 | char::from(digit).to_digit(16)? as u16)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(document: &[u8]) -> String {
        serde_json::from_str(&json(document)).expect("a JSON string")
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(text("grüße".as_bytes()), Cow::Borrowed("grüße")));
        assert!(matches!(
            json(br#"{"a":"\u00e9\\u0000"}"#),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn nul_bad_bytes_and_the_mark_are_escaped() {
        assert_eq!(text(b"a\0b"), "a␛00b");
        assert_eq!(text(b"\xFF\xE2\x90"), "␛FF␛E2␛90");
        assert_eq!(text("␛00".as_bytes()), "␛␛00");
    }

    #[test]
    fn a_mark_that_stands_for_nothing_is_left_alone() {
        assert_eq!(unescape("␛"), "␛".as_bytes());
        assert_eq!(unescape("␛ff"), "␛ff".as_bytes());
        assert_eq!(unescape("␛0é"), "␛0é".as_bytes());
    }

    #[test]
    fn a_beginning_ends_before_an_escape_that_does_not_fit() {
        let stored = text("aa\0␛b".as_bytes());
        assert_eq!(stored, "aa␛00␛␛b");
        let beginnings: Vec<&str> = (0..9).map(|chars| first_chars(&stored, chars)).collect();
        assert_eq!(
            beginnings,
            [
                "",
                "a",
                "aa",
                "aa",
                "aa",
                "aa␛00",
                "aa␛00",
                "aa␛00␛␛",
                "aa␛00␛␛b"
            ]
        );
        assert_eq!(first_bytes(&stored, 6), "aa");
        assert_eq!(first_bytes(&stored, 7), "aa␛00");
        assert_eq!(first_bytes("a\u{e9}", 2), "a");
        assert_eq!(first_bytes("a␛0\u{e9}", 5), "a");
    }

    #[test]
    fn json_escapes_are_read_with_their_backslashes() {
        assert_eq!(parsed(br#""\u0000""#), "␛00");
        assert_eq!(parsed(br#""\\u0000""#), "\\u0000");
        assert_eq!(parsed(br#""\\\u0000""#), "\\␛00");
        assert_eq!(parsed(br#""\u0000\\u0000\u0000""#), "␛00\\u0000␛00");
        assert_eq!(parsed(br#""\u241b\u241B""#), "␛␛␛␛");
    }

    #[test]
    fn surrogate_pairs_stay_and_lone_ones_are_escaped() {
        assert_eq!(parsed(br#""\ud83d\ude00""#), "😀");
        assert_eq!(parsed(br#""\ud83d""#), "␛ED␛A0␛BD");
        assert_eq!(
            parsed(br#""\ude00\ud83d\ud83d\ude00""#),
            "␛ED␛B8␛80␛ED␛A0␛BD😀"
        );
        assert_eq!(parsed(br#""\ud83d\\ude00""#), "␛ED␛A0␛BD\\ude00");
    }

    #[test]
    fn a_run_of_backslashes_takes_linear_time() {
        let document = format!("\"{}\"", "\\\\u0000".repeat(200_000));
        assert!(matches!(json(document.as_bytes()), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn unescape_is_the_inverse_of_text(bytes: Vec<u8>) {
            let stored = text(&bytes);
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(unescape(&stored), bytes);
        }

        #[test]
        fn unescape_is_the_inverse_for_text_full_of_marks(original in "[␛0AFf\0é]{0,24}") {
            prop_assert_eq!(unescape(&text(original.as_bytes())), original.as_bytes());
        }

        #[test]
        fn no_source_grows_beyond_what_was_foreseen(bytes: Vec<u8>, text in "[␛0\\\\ud\0é]{0,40}") {
            for source in [&bytes, text.as_bytes()] {
                let most = max_json_bytes(source);
                prop_assert!(json(source).len() <= most && most <= MAX_GROWTH * source.len());
            }
        }

        #[test]
        fn a_parsed_string_is_the_stored_form(original in "[␛0u\\\\\"d\0é😀\u{1}]{0,24}", ascii: bool) {
            let mut document = serde_json::to_string(&original).expect("a string");
            if ascii {
                document = document.encode_utf16().map(|unit| match u8::try_from(unit) {
                    Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                    _ => format!("\\u{unit:04x}"),
                }).collect();
            }
            let stored = text(original.as_bytes());
            prop_assert_eq!(parsed(document.as_bytes()), stored.as_ref());
        }

        #[test]
        fn json_never_panics_and_never_leaves_a_nul(bytes: Vec<u8>, tail in "[\\\\u0d8b]{0,16}") {
            let document = [bytes.as_slice(), tail.as_bytes()].concat();
            prop_assert!(!json(&document).contains('\0'));
        }
    }
}
