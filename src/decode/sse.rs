//! Server-sent events, as the WHATWG standard reads them.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// One event with data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    /// The `event:` name; empty where there was none.
    pub(super) name: &'a str,
    /// The `data:` lines, joined by line feeds.
    pub(super) data: Cow<'a, str>,
    /// Whether the blank line that ends an event was there.
    pub(super) ended: bool,
}

/// Reads the events of a body; events without data are passed over.
///
/// Other than in the standard, an event that the end of the body cut off is still delivered, since a stream
/// that was cut is worth reading too.
#[derive(Debug)]
pub(super) struct Events<'a> {
    rest: &'a str,
    /// Some lines end with a carriage return.
    has_returns: bool,
}

impl<'a> Events<'a> {
    pub(super) fn new(body: &'a str) -> Self {
        Self {
            rest: body.strip_prefix('\u{feff}').unwrap_or(body),
            has_returns: memchr(b'\r', body.as_bytes()).is_some(),
        }
    }

    fn line(&mut self) -> Option<&'a str> {
        let bytes = self.rest.as_bytes();
        let end = match (bytes.first()?, self.has_returns) {
            (b'\n', _) => Some(0),
            (_, false) => memchr(b'\n', bytes),
            (_, true) => memchr2(b'\n', b'\r', bytes),
        };
        let Some(end) = end else {
            return Some(std::mem::take(&mut self.rest));
        };
        if !self.has_returns {
            let line = self.rest.get(..end);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            return line;
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest
            .strip_prefix("\r\n")
            .or_else(|| rest.get(1..))
            .unwrap_or_default();
        Some(line)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let mut name = "";
        let mut data: Option<Cow<'a, str>> = None;
        while let Some(line) = self.line() {
            if line.is_empty() {
                if let Some(data) = data.take() {
                    return Some(Event {
                        name,
                        data,
                        ended: true,
                    });
                }
                name = "";
                continue;
            }
            if let Some(value) = value_of("data", line) {
                match &mut data {
                    None => data = Some(Cow::Borrowed(value)),
                    Some(data) => {
                        let data = data.to_mut();
                        data.push('\n');
                        data.push_str(value);
                    }
                }
            } else if let Some(value) = value_of("event", line) {
                name = value;
            }
        }
        data.map(|data| Event {
            name,
            data,
            ended: false,
        })
    }
}

/// The value of this field, where the line has it.
fn value_of<'a>(field: &str, line: &'a str) -> Option<&'a str> {
    let rest = line.strip_prefix(field)?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(':')?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}

/// Whether a body reads like events and not like JSON, whatever its content type says; `None` where it does
/// not tell.
pub(super) fn sniff(body: &str) -> Option<bool> {
    let start = body.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if start.starts_with(['{', '[']) {
        return Some(false);
    }
    ["data:", "event:", ":", "id:", "retry:"]
        .iter()
        .any(|field| start.starts_with(field))
        .then_some(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Vec<(&str, String)> {
        Events::new(body)
            .map(|event| (event.name, event.data.into_owned()))
            .collect()
    }

    #[test]
    fn every_line_end_is_read() {
        for end in ["\n", "\r\n", "\r"] {
            let body = [
                "\u{feff}event: a",
                "data: 1",
                "",
                ":comment",
                "data:2",
                "data:  3",
                "",
                "",
            ]
            .join(end);
            assert_eq!(
                read(&body),
                [("a", "1".to_owned()), ("", "2\n 3".to_owned())],
                "{end:?}"
            );
        }
    }

    #[test]
    fn an_event_without_data_is_passed_over() {
        assert_eq!(
            read("event: a\n\nid: 1\n\ndata: x\n\n"),
            [("", "x".to_owned())]
        );
    }

    #[test]
    fn an_empty_data_field_is_data() {
        assert_eq!(
            read("data\n\ndata:\n\n"),
            [("", String::new()), ("", String::new())]
        );
    }

    #[test]
    fn the_last_event_is_delivered_though_it_was_cut() {
        let events: Vec<_> = Events::new("data: 1\n\ndata: {\"a").collect();
        assert_eq!(events.len(), 2);
        assert!(events[0].ended && !events[1].ended);
        assert_eq!(events[1].data, "{\"a");
    }

    #[test]
    fn one_data_line_is_borrowed() {
        assert!(Events::new("data: x\n\n").all(|event| matches!(event.data, Cow::Borrowed(_))));
    }

    #[test]
    fn bodies_are_told_apart() {
        assert_eq!(sniff("\n {\"a\":1}"), Some(false));
        assert_eq!(sniff("data: {}"), Some(true));
        assert_eq!(sniff(": OPENROUTER PROCESSING"), Some(true));
        assert_eq!(sniff("<html>"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(body in "(data|event|:|\r|\n|é| |[a-z])*") {
            for event in Events::new(&body) {
                prop_assert!(event.data.len() <= body.len());
            }
        }
    }
}
