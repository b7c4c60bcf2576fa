//! A document on one line.

use std::borrow::Cow;

/// The source of a document without the line ends and the indentation that some providers send.
pub(crate) fn compact(source: &str) -> Cow<'_, str> {
    if !source.contains('\n') {
        return Cow::Borrowed(source);
    }
    let mut compact = String::with_capacity(source.len());
    let (mut in_string, mut is_escaped) = (false, false);
    compact.extend(source.chars().filter(|&letter| {
        let keep = in_string || !letter.is_ascii_whitespace();
        let is_quote = letter == '"' && !is_escaped;
        is_escaped = in_string && letter == '\\' && !is_escaped;
        in_string ^= is_quote;
        keep
    }));
    Cow::Owned(compact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_within_strings_stays() {
        let source = "{\n  \"a b\": [ 1,\n \"c \\\" d\\\\\" , \"e f\" ]\n}";
        assert_eq!(compact(source), r#"{"a b":[1,"c \" d\\","e f"]}"#);
        assert_eq!(compact("{ \"a\": 1 }"), "{ \"a\": 1 }");
    }
}
