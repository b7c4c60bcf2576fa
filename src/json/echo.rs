//! An event that says the same as the one before, but for one string.

use std::borrow::Cow;

use super::{Fault, Raw, Source, text::special};

/// What stands around the string that grows, in the last event that was read as a whole.
///
/// Most events of a stream add some letters to the same text, and all else in them is the same to the byte, but for
/// padding, and for a time that nobody keeps.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    /// Up to the quote, without the time; empty where nothing is known.
    before: String,
    /// Where the time stands.
    time_at: Option<usize>,
    behind: Behind,
    padding: Option<Padding>,
}

/// What is said last in an event, of random length, against those who measure the pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Padding {
    /// Anthropic's and Amazon's.
    P,
    /// OpenAI's.
    Obfuscation,
}

/// What stands behind the string, but for padding.
#[derive(Debug)]
enum Behind {
    /// So many objects are closed, and nothing else is said.
    Closing(usize),
    Same(String),
}

impl Default for Behind {
    fn default() -> Self {
        Self::Closing(0)
    }
}

impl Echo {
    /// Of events that may be padded so.
    pub(crate) fn padded(padding: Padding) -> Self {
        Self {
            padding: Some(padding),
            ..Self::default()
        }
    }

    /// Learns what stands around this text, which was borrowed from the event, as was the source of the time.
    pub(crate) fn learn(&mut self, event: &str, text: &str, time: Option<Raw<'_>>) {
        self.forget();
        let around_text = around(event, text).and_then(|(before, behind)| {
            Some((before.strip_suffix('"')?, behind.strip_prefix('"')?))
        });
        let Some((before, behind)) = around_text else {
            return;
        };
        self.behind = match closing(behind, self.padding) {
            Some(objects) => Behind::Closing(objects),
            None => match unpadded(behind, self.padding) {
                Some(same) => Behind::Same(same.to_owned()),
                None => return,
            },
        };
        // A time behind the text is a part of what stands there.
        match time.and_then(|time| around(before, time.get())) {
            Some((first, second)) => {
                self.before.extend([first, second]);
                self.time_at = Some(first.len());
            }
            None => self.before.push_str(before),
        }
    }

    /// Knows no event any more.
    pub(crate) fn forget(&mut self) {
        self.before.clear();
        self.time_at = None;
    }

    /// The text of an event that says the same otherwise.
    pub(crate) fn text<'e>(&self, event: &'e str) -> Option<Cow<'e, str>> {
        if self.before.is_empty() {
            return None;
        }
        let (first, second) = self.before.split_at(self.time_at.unwrap_or_default());
        let mut rest = event.strip_prefix(first)?;
        if self.time_at.is_some() {
            let mut map = Source::new(rest, false);
            map.pass_text().ok()?;
            rest = map.rest();
        }
        let mut map = Source::new(rest.strip_prefix(second)?, false);
        let text = match map.peek() {
            Ok(b'"') => map.text().ok()?,
            Ok(_) | Err(Fault) => return None,
        };
        let is_same = match &self.behind {
            Behind::Closing(objects) => closing(map.rest(), self.padding) == Some(*objects),
            Behind::Same(same) => {
                let rest = map.rest().strip_prefix(same.as_str());
                rest.is_some_and(|rest| closing(rest, self.padding) == Some(1))
            }
        };
        is_same.then_some(text)
    }
}

impl Padding {
    /// What it begins with.
    fn beginning(self) -> &'static str {
        match self {
            Self::P => r#","p":""#,
            Self::Obfuscation => r#","obfuscation":""#,
        }
    }

    /// Whether what stands behind that beginning is padding to the end of the event, and the object's end.
    fn is_last(behind: &str) -> bool {
        let end = special(behind.as_bytes(), 0);
        let last = behind.get(end..).and_then(|rest| rest.strip_prefix('"'));
        last.is_some_and(|last| last.trim_ascii() == "}")
    }
}

/// What stands before and behind a part of a source that was borrowed from it.
fn around<'s>(source: &'s str, part: &str) -> Option<(&'s str, &'s str)> {
    let at = part.as_ptr().addr().checked_sub(source.as_ptr().addr())?;
    Some((source.get(..at)?, source.get(at + part.len()..)?))
}

/// What is said behind a string, without padding and the end of the event's object.
fn unpadded(behind: &str, padding: Option<Padding>) -> Option<&str> {
    let padded = padding.and_then(|padding| behind.rsplit_once(padding.beginning()));
    match padded {
        Some((same, padding)) if Padding::is_last(padding) => Some(same),
        _ => behind.trim_ascii_end().strip_suffix('}'),
    }
}

/// How many objects are closed by what stands behind a string, where that is all it does.
fn closing(behind: &str, padding: Option<Padding>) -> Option<usize> {
    let mut objects = 0;
    let mut rest = behind;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(objects);
        }
        let padded = padding.and_then(|padding| rest.strip_prefix(padding.beginning()));
        if let Some(padding) = padded {
            return Padding::is_last(padding).then_some(objects + 1);
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
        let mut echo = Echo::padded(Padding::P);
        echo.learn(first, &first[at..at + text.len()], None);
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
        echo.learn(r#"{"text":"a"}"#, &String::from("a"), None);
        assert_eq!(echo.text(r#"{"text":"a"}"#), None);
    }

    #[test]
    fn what_stands_behind_the_text_has_to_be_the_same() {
        let first = r#"{"choices":[{"text":"a","index":0}],"id":"1","obfuscation":"xy"}"#;
        let mut echo = Echo::padded(Padding::Obfuscation);
        let at = first.find(r#"a","index"#).expect("the text");
        echo.learn(first, &first[at..=at], None);
        for (second, text) in [
            (
                r#"{"choices":[{"text":"b","index":0}],"id":"1","obfuscation":""}"#,
                Some("b"),
            ),
            (
                r#"{"choices":[{"text":"\n","index":0}],"id":"1"} "#,
                Some("\n"),
            ),
            (r#"{"choices":[{"text":"b","index":0}],"id":"1""#, None),
            (r#"{"choices":[{"text":"b","index":1}],"id":"1"}"#, None),
            (
                r#"{"choices":[{"text":"b","index":0}],"id":"1","p":""}"#,
                None,
            ),
            (
                r#"{"choices":[{"text":"b","index":0}],"id":"1","obfuscation":"\q"}"#,
                None,
            ),
            (
                r#"{"choices":[{"text":"b","index":0}],"id":"1","obfuscation":"x","a":1}"#,
                None,
            ),
        ] {
            assert_eq!(echo.text(second).as_deref(), text, "{second}");
        }
    }

    #[test]
    fn a_time_may_be_another() {
        for (first, second) in [
            (
                r#"{"at":"1","text":"a","done":false}"#,
                r#"{"at":"2","text":"b","done":false}"#,
            ),
            (r#"{"at":"1","text":"a"}"#, r#"{"at":"2","text": "b"}"#),
        ] {
            let mut echo = Echo::default();
            let mut learn = |time: &str| {
                let at = first.find("\"a\"").expect("the text") + 1;
                let time_at = first.find(time).expect("the time");
                let time = Raw::new(&first[time_at..time_at + time.len()]);
                echo.learn(first, &first[at..=at], Some(time));
                echo.text(second).map(Cow::into_owned)
            };
            assert_eq!(learn("\"1\"").as_deref(), Some("b"), "{second}");
            assert_eq!(echo.text(&second.replace("2", "2\"")), None);
            assert_eq!(echo.text(&second.replace("\"2\"", "2")), None);
            assert_eq!(echo.text(&second.replace("at", "as")), None);
        }
    }
}
