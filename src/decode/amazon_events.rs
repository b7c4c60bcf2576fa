//! Amazon's binary event streams.
//!
//! A message is its length, the length of its headers and a checksum of the two, the headers, the payload
//! and a checksum of all that, in network order.

/// Lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum that ends a message.
const TRAILER: usize = 4;

/// One message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// `event`, `exception` or `error`.
    pub(super) message_type: &'a str,
    /// The kind of the event.
    pub(super) event_type: &'a str,
    /// The kind of the exception, or the code of the error.
    pub(super) failure: &'a str,
    /// What an error says, which has no payload.
    pub(super) failure_message: &'a str,
    pub(super) payload: &'a [u8],
    /// Whether all of it is there.
    pub(super) ended: bool,
    /// Whether its checksum is wrong.
    pub(super) damaged: bool,
}

/// Reads the messages of a body.
///
/// A message that the end of the body cut off is delivered with what there is of its payload. Behind a
/// prelude with a wrong checksum nothing is read, since nobody knows where the next message begins.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    rest: &'a [u8],
    /// The headers of the message before, which are those of most, and what they say.
    headers: (&'a [u8], Message<'a>),
}

impl<'a> Messages<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self {
            rest: body,
            headers: Default::default(),
        }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let body = std::mem::take(&mut self.rest);
        let (total, headers) = prelude(body)?;
        let message = body.get(..total);
        let ended = message.is_some();
        let (content, damaged) = match message {
            Some(message) => {
                self.rest = body.get(total..).unwrap_or_default();
                let (content, checksum) = message.split_at_checked(total - TRAILER)?;
                (content, word(checksum) != Some(crc32fast::hash(content)))
            }
            None => (body.get(..total - TRAILER).unwrap_or(body), false),
        };
        if damaged {
            return Some(Message {
                ended,
                damaged,
                ..Message::default()
            });
        }
        let (headers, payload) = content.get(PRELUDE..)?.split_at_checked(headers)?;
        let (known, said) = &mut self.headers;
        if *known != headers {
            *said = Message::default();
            said.read(headers);
            *known = headers;
        }
        Some(Message {
            payload,
            ended,
            ..*said
        })
    }
}

impl<'a> Message<'a> {
    fn read(&mut self, mut headers: &'a [u8]) {
        while let Some((name, value, rest)) = header(headers) {
            headers = rest;
            let place = match name {
                b":message-type" => &mut self.message_type,
                b":event-type" => &mut self.event_type,
                b":exception-type" | b":error-code" => &mut self.failure,
                b":error-message" => &mut self.failure_message,
                _ => continue,
            };
            *place = std::str::from_utf8(value).unwrap_or_default();
        }
    }
}

/// A header's name, its value where that is a text, and what comes after it.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(length))?;
    let (&kind, rest) = rest.split_first()?;
    let (length, rest) = match kind {
        0 | 1 => (0, rest),
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        9 => (16, rest),
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    let text = if kind == 7 { value } else { b"" };
    Some((name, text, rest))
}

/// The length of the message that the bytes begin with, and that of its headers, if they begin with one.
fn prelude(bytes: &[u8]) -> Option<(usize, usize)> {
    let (lengths, checksum) = bytes.get(..PRELUDE)?.split_at_checked(8)?;
    if word(checksum)? != crc32fast::hash(lengths) {
        return None;
    }
    let (total, headers) = lengths.split_at_checked(4)?;
    let total = usize::try_from(word(total)?).ok()?;
    let headers = usize::try_from(word(headers)?).ok()?;
    let is_possible = headers.checked_add(PRELUDE + TRAILER)? <= total;
    is_possible.then_some((total, headers))
}

fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

/// Whether a body is such a stream, whatever its content type says; `None` where there is too little of it
/// to tell.
pub(super) fn sniff(body: &[u8]) -> Option<bool> {
    (body.len() >= PRELUDE).then(|| prelude(body).is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with these headers.
    pub(in crate::decode) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in headers {
            bytes.push(u8::try_from(name.len()).expect("a short name"));
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(7);
            let length = u16::try_from(value.len()).expect("a short value");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(value.as_bytes());
        }
        let word = |length: usize| u32::try_from(length).expect("short").to_be_bytes();
        let headers = bytes.len();
        let mut whole = Vec::new();
        whole.extend_from_slice(&word(PRELUDE + headers + payload.len() + TRAILER));
        whole.extend_from_slice(&word(headers));
        whole.extend_from_slice(&crc32fast::hash(&whole).to_be_bytes());
        whole.extend_from_slice(&bytes);
        whole.extend_from_slice(payload);
        whole.extend_from_slice(&crc32fast::hash(&whole).to_be_bytes());
        whole
    }

    pub(in crate::decode) fn event(kind: &str, payload: &str) -> Vec<u8> {
        let headers = [
            (":event-type", kind),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        message(&headers, payload.as_bytes())
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let mut body = event("a", "1");
        body.extend(message(
            &[(":message-type", "exception"), (":exception-type", "x")],
            b"{}",
        ));
        let read: Vec<_> = Messages::new(&body)
            .map(|message| {
                (
                    message.message_type,
                    message.event_type,
                    message.failure,
                    message.payload,
                )
            })
            .collect();
        assert_eq!(
            read,
            [("event", "a", "", &b"1"[..]), ("exception", "", "x", b"{}")]
        );
    }

    #[test]
    fn a_message_with_a_wrong_checksum_is_damaged() {
        let mut body = event("a", "123");
        let at = body.len() - 6;
        body[at] ^= 1;
        body.extend(event("b", "4"));
        let read: Vec<_> = Messages::new(&body)
            .map(|message| (message.event_type, message.damaged))
            .collect();
        assert_eq!(read, [("", true), ("b", false)]);
        body[0] ^= 1;
        assert_eq!(Messages::new(&body).count(), 0);
    }

    #[test]
    fn the_last_message_is_delivered_though_it_was_cut() {
        let body = event("a", "{\"text\":\"abc\"}");
        let cut = &body[..body.len() - 8];
        let read = Messages::new(cut).next().expect("a message");
        assert!(!read.ended && !read.damaged);
        assert_eq!(
            (read.event_type, read.payload),
            ("a", &b"{\"text\":\"a"[..])
        );
    }

    #[test]
    fn a_stream_is_known_by_its_first_checksum() {
        assert_eq!(sniff(&event("a", "1")), Some(true));
        assert_eq!(sniff(b"{\"message\":\"no\"}"), Some(false));
        assert_eq!(sniff(b"{}"), None);
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(flips in prop::collection::vec((0usize..200, any::<u8>()), 0..4), end in 0usize..200) {
            let mut body = event("a", "{\"a\":1}");
            body.extend(event("b", "{\"b\":2}"));
            body.truncate(end);
            for (at, with) in flips {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= with;
                }
            }
            prop_assert!(Messages::new(&body).count() <= 2);
        }
    }
}
