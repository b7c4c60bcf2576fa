//! Whole numbers that are too large to be read as such: as a float they would lose their digits.

use std::ops::Range;

/// The shortest whole number that may not fit into 64 bits.
const LONG: usize = 19;

/// The source with every whole number that has no room in 64 bits as a string; `None` where there is none.
pub(super) fn quoted(source: &str) -> Option<String> {
    // Most documents have no number as long, and are not read byte by byte.
    if !has_long_run(source.as_bytes()) {
        return None;
    }
    let mut quoted = String::new();
    let mut done = 0;
    for number in numbers(source) {
        let digits = source.get(number.clone())?;
        if is_too_large(digits) {
            quoted.push_str(source.get(done..number.start)?);
            quoted.extend(["\"", digits, "\""]);
            done = number.end;
        }
    }
    if done == 0 {
        return None;
    }
    quoted.push_str(source.get(done..)?);
    Some(quoted)
}

/// Whether there are so many digits in a row that one is at a multiple of their number.
fn has_long_run(bytes: &[u8]) -> bool {
    let mut run_until = 0;
    let probed = bytes.iter().enumerate().skip(LONG - 1).step_by(LONG);
    let mut digits = probed.filter(|(_, byte)| byte.is_ascii_digit());
    digits.any(|(at, _)| {
        if at < run_until {
            return false;
        }
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let (before, from) = bytes.split_at(at);
        let behind = from.iter().take_while(is_digit).count();
        run_until = at + behind;
        before.iter().rev().take(LONG).take_while(is_digit).count() + behind >= LONG
    })
}

fn is_too_large(digits: &str) -> bool {
    digits.parse::<u64>().is_err() && digits.parse::<i64>().is_err()
}

/// Where whole numbers stand outside of strings.
fn numbers(source: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = source.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            match bytes.get(at)? {
                b'"' => at = string_end(bytes, at + 1),
                b'-' | b'0'..=b'9' => {
                    let start = at;
                    let rest = bytes.get(at + 1..)?;
                    at += 1 + rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let is_whole = !matches!(bytes.get(at), Some(b'.' | b'e' | b'E'));
                    if is_whole {
                        return Some(start..at);
                    }
                    let rest = bytes.get(at..)?;
                    let is_of_number =
                        |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                    at += rest.iter().take_while(is_of_number).count();
                }
                _ => at += 1,
            }
        }
    })
}

/// The place behind the string that began before this one.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(rest) = bytes.get(at..) {
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(found) if rest.get(found) == Some(&b'"') => return at + found + 1,
            Some(found) => at += found + 2,
            None => break,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_beyond_64_bits_are_quoted() {
        for (source, expected) in [
            ("18446744073709551616", "\"18446744073709551616\""),
            ("[-9223372036854775809]", "[\"-9223372036854775809\"]"),
            (
                r#"{"a":"99999999999999999999 \" 99999999999999999999","b": 99999999999999999999 }"#,
                r#"{"a":"99999999999999999999 \" 99999999999999999999","b": "99999999999999999999" }"#,
            ),
            (
                "[1.0000000000000000000001,99999999999999999999,1e400,99999999999999999999E-2]",
                "[1.0000000000000000000001,\"99999999999999999999\",1e400,99999999999999999999E-2]",
            ),
        ] {
            assert_eq!(quoted(source).as_deref(), Some(expected), "{source}");
        }
        for source in [
            "18446744073709551615",
            "-9223372036854775808",
            "\"99999999999999999999\"",
            "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]",
            "0.99999999999999999999",
            "",
        ] {
            assert_eq!(quoted(source), None, "{source}");
        }
    }

    #[test]
    fn a_long_number_is_found_wherever_it_stands() {
        for before in 0..2 * LONG {
            let source = format!("[{}{}]", " ".repeat(before), "9".repeat(20));
            assert!(quoted(&source).is_some(), "{before}");
        }
        let digits = "9".repeat(1 << 20);
        assert!(quoted(&digits).is_some());
    }
}
