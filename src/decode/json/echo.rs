//! An event that says the same as the one before, but for one string.

use std::borrow::Cow;

use super::{Fault, Source, text::special};

/// What stands around the string that grows, in the last event that was read as a whole.
///
/// Most events of a stream add some letters to the same text. What stands before them is the same to the byte, and
/// behind them nothing but brackets, and padding under the name `p`.
#[derive(Debug, Default)]
pub(in crate::decode) struct Echo {
    /// Up to the quote; empty where nothing is known.
    before: String,
    /// The objects that are closed behind the string.
    closing: usize,
}

impl Echo {
    /// Learns what stands around this text, which was borrowed from the event.
    pub(in crate::decode) fn learn(&mut self, event: &str, text: &str) {
        self.before.clear();
        let at = text.as_ptr().addr().checked_sub(event.as_ptr().addr());
        let around = at.and_then(|at| {
            let before = event.get(..at)?.strip_suffix('"')?;
            let behind = event.get(at + text.len()..)?.strip_prefix('"')?;
            Some((before, closing(behind)?))
        });
        if let Some((before, closing)) = around {
            self.before.push_str(before);
            self.closing = closing;
        }
    }

    /// The text of an event that says the same otherwise.
    pub(in crate::decode) fn text<'e>(&self, event: &'e str) -> Option<Cow<'e, str>> {
        if self.before.is_empty() {
            return None;
        }
        let rest = event.strip_prefix(self.before.as_str())?;
        let mut map = Source::new(rest, false);
        let text = match map.peek() {
            Ok(b'"') => map.text().ok()?,
            Ok(_) | Err(Fault) => return None,
        };
        (closing(map.rest()) == Some(self.closing)).then_some(text)
    }
}

/// How many objects are closed by what stands behind a string, where that is all it does.
fn closing(behind: &str) -> Option<usize> {
    let mut objects = 0;
    let mut rest = behind;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(objects);
        }
        if let Some(padding) = rest.strip_prefix(r#","p":""#) {
            let end = special(padding.as_bytes(), 0);
            let last = padding.get(end..)?.strip_prefix('"')?.trim_ascii();
            return (objects > 0 && last == "}").then_some(objects + 1);
        }
        rest = rest.strip_prefix('}')?;
        objects += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the second event is taken to say, once the first was read.
    fn echoed(first: &str, text: &str, second: &str) -> Option<String> {
        let at = first.rfind(text).expect("the text");
        let mut echo = Echo::default();
        echo.learn(first, &first[at..at + text.len()]);
        echo.text(second).map(Cow::into_owned)
    }

    #[test]
    fn the_same_event_with_another_text_is_known() {
        let first = r#"{"index":0,"delta":{"text":"a"}}"#;
        for (second, text) in [
            (r#"{"index":0,"delta":{"text":"b"}}"#, "b"),
            (r#"{"index":0,"delta":{"text":""}  } "#, ""),
            (r#"{"index":0,"delta":{"text":"\"\u00e9}"}}"#, "\"é}"),
            (r#"{"index":0,"delta":{"text": "b"},"p":"abc" }"#, "b"),
        ] {
            assert_eq!(
                echoed(first, "a", second).as_deref(),
                Some(text),
                "{second}"
            );
        }
    }

    #[test]
    fn what_says_anything_else_is_not() {
        let first = r#"{"index":0,"delta":{"text":"a"},"p":"xy"}"#;
        for second in [
            r#"{"index":1,"delta":{"text":"a"}}"#,
            r#"{"index":0,"delta":{"text":null}}"#,
            r#"{"index":0,"delta":{"text":"a","b":1}}"#,
            r#"{"index":0,"delta":{"text":"a"},"b":1}"#,
            r#"{"index":0,"delta":{"text":"a","p":"b"}}"#,
            r#"{"index":0,"delta":{"text":"a"},"p":"b","c":1}"#,
            r#"{"index":0,"delta":{"text":"a"},"p":"\q"}"#,
            r#"{"index":0,"delta":{"text":"a"}}}"#,
            r#"{"index":0,"delta":{"text":"a"}"#,
            r#"{"index":0,"delta":{"text":"a"#,
            r#"{"index":0,"delta":{"text":"\x"}}"#,
        ] {
            assert_eq!(echoed(first, "a", second), None, "{second}");
        }
    }

    #[test]
    fn a_text_from_elsewhere_teaches_nothing() {
        let mut echo = Echo::default();
        echo.learn(r#"{"text":"a"}"#, &String::from("a"));
        assert_eq!(echo.text(r#"{"text":"a"}"#), None);
        echo.learn(r#"{"text":"a","b":1}"#, "a");
        assert_eq!(echo.text(r#"{"text":"a","b":1}"#), None);
    }
}
