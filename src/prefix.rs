//! Path and allow-listed headers, copied in one pass into the exchange's own buffer.
//!
//! Who speaks in which conversation is decided from this copy in the writer. A header that is not
//! on the list is never copied, so no credential can be stored by oversight.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A header with a longer name or value is as if it had not been sent: cut, two long names that
/// begin alike would be one. No id or tag that is kept needs more.
const MAX_VALUE_BYTES: usize = 8 << 10;
/// The header to which proxies append.
pub(crate) const FORWARDED: &str = "x-forwarded-for";
/// hyper takes paths of 64 KiB. What is called stands at their end.
const MAX_PATH_BYTES: usize = 2 << 10;
/// Any header `x-…-session-id` whose value looks like an id.
pub(crate) const BY_CONVENTION: &str = "x-*-session-id";

/// Which headers are copied.
#[derive(Clone, Debug)]
pub(crate) struct AllowList {
    /// By [`slot`], in which there is seldom a second one.
    names: [Vec<String>; SLOTS],
    tag_prefix: String,
    /// Whether every `x-…-session-id` is on it.
    by_convention: bool,
    /// Per third letter, which tells names apart that begin with `x-`, the lengths of the names on
    /// the list: most headers end here.
    lengths: [u64; 256],
}

const SLOTS: usize = 128;

impl AllowList {
    /// The list with these names, and every name that begins with `tag_prefix` and goes on.
    pub(crate) fn new(listed: impl IntoIterator<Item = HeaderName>, tag_prefix: &str) -> Self {
        let mut names = [const { Vec::new() }; SLOTS];
        for name in listed {
            if let Some(names) = names.get_mut(slot(name.as_str())) {
                names.push(name.as_str().to_owned());
            }
        }
        let by_convention = names.iter().flatten().any(|name| name == BY_CONVENTION);
        let tag_prefix = tag_prefix.to_ascii_lowercase();
        let mut lengths = [0; 256];
        let mut mark = |name: &str, bits: u64| {
            if let Some(lengths) = lengths.get_mut(usize::from(third(name))) {
                *lengths |= bits;
            }
        };
        for name in names.iter().flatten() {
            mark(name, length_bit(name.len()));
        }
        match tag_prefix.len() {
            0 => {}
            // A tag's third letter is not in the prefix.
            1 | 2 => lengths = [!0; 256],
            _ => mark(&tag_prefix, !0),
        }
        Self {
            names,
            tag_prefix,
            by_convention,
            lengths,
        }
    }

    #[inline]
    fn allows(&self, name: &str) -> bool {
        let lengths = self.lengths.get(usize::from(third(name)));
        let is_listed = lengths.is_some_and(|lengths| lengths & length_bit(name.len()) != 0)
            && (self.has(name) || self.is_tag(name));
        is_listed || (self.by_convention && is_session_by_convention(name))
    }

    #[inline]
    fn has(&self, name: &str) -> bool {
        let names = self.names.get(slot(name)).map_or(&[][..], Vec::as_slice);
        names.iter().any(|listed| listed == name)
    }

    #[inline]
    fn is_tag(&self, name: &str) -> bool {
        // Most names differ in their first bytes: to call memcmp costs more.
        let mut pairs = self.tag_prefix.bytes().zip(name.bytes());
        !self.tag_prefix.is_empty()
            && name.len() > self.tag_prefix.len()
            && pairs.all(|(expected, byte)| expected == byte)
    }

    /// Copies the path and what is allowed of the headers. Query strings are never copied.
    pub(crate) fn copy(&self, path: &str, headers: &HeaderMap, into: &mut Vec<u8>) {
        put(into, end(path.as_bytes(), MAX_PATH_BYTES));
        for (name, value) in headers {
            let name = name.as_str();
            if !self.allows(name) {
                continue;
            }
            let value = match name {
                // What stands last was written by the proxy that is nearest.
                FORWARDED => end(value.as_bytes(), MAX_VALUE_BYTES),
                _ => value.as_bytes(),
            };
            if name.len().max(value.len()) <= MAX_VALUE_BYTES {
                put(into, name.as_bytes());
                put(into, value);
            }
        }
    }
}

/// Whether a header names a conversation by convention.
pub(crate) fn is_session_by_convention(header: &str) -> bool {
    // Asked of every header: few end like this, many begin like that.
    let middle = header
        .strip_suffix("-session-id")
        .and_then(|rest| rest.strip_prefix("x-"));
    middle.is_some_and(|middle| !middle.is_empty())
}

fn end(bytes: &[u8], max_bytes: usize) -> &[u8] {
    let start = bytes.len().saturating_sub(max_bytes);
    bytes.get(start..).unwrap_or_default()
}

#[inline]
fn third(name: &str) -> u8 {
    name.as_bytes().get(2).copied().unwrap_or_default()
}

#[inline]
fn slot(name: &str) -> usize {
    (usize::from(third(name)) * 5 + name.len()) % SLOTS
}

#[inline]
fn length_bit(length: usize) -> u64 {
    1_u64.rotate_left(length as u32)
}

/// Appends the value of a header, nothing where it is longer than can be kept.
#[inline]
pub(crate) fn put_value(into: &mut Vec<u8>, value: Option<&HeaderValue>) {
    let value = value.map_or(&b""[..], HeaderValue::as_bytes);
    put(
        into,
        if value.len() <= MAX_VALUE_BYTES {
            value
        } else {
            b""
        },
    );
}

/// Appends bytes behind their length, of which there are at most 65,535.
#[inline]
fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    into.extend_from_slice(bytes);
}

/// The copy, read back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix<'a> {
    path: &'a [u8],
    headers: &'a [u8],
}

impl<'a> Prefix<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let (path, headers) = take(bytes).unwrap_or_default();
        Self { path, headers }
    }

    pub(crate) fn path(&self) -> &'a [u8] {
        self.path
    }

    /// The headers in the order in which they came.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let mut rest = self.headers;
        std::iter::from_fn(move || {
            let (name, after) = take(rest)?;
            let (value, after) = take(after)?;
            rest = after;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers()
            .find_map(|(candidate, value)| (candidate == name).then_some(value))
    }
}

pub(crate) fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn only_what_is_on_the_list_is_copied() {
        let list = AllowList::new(
            [
                header::CONTENT_TYPE,
                HeaderName::from_static("x-session-id"),
            ],
            "X-Tag-",
        );
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer secret"),
            ("cookie", "secret"),
            ("content-type", "application/json"),
            ("x-api-key", "secret"),
            ("x-session-id", "s1"),
            ("x-session-ie", "secret"),
            ("x-tag-", "nameless"),
            ("x-tag-team", "search"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let mut copy = Vec::new();
        list.copy("/v1/chat/completions", &headers, &mut copy);
        let prefix = Prefix::read(&copy);
        assert_eq!(prefix.path(), b"/v1/chat/completions");
        let kept: Vec<_> = prefix.headers().collect();
        assert_eq!(
            kept,
            [
                ("content-type", &b"application/json"[..]),
                ("x-session-id", b"s1"),
                ("x-tag-team", b"search"),
            ]
        );
        assert_eq!(prefix.header("x-tag-team"), Some(&b"search"[..]));
        assert!(!copy.windows(6).any(|bytes| bytes == b"secret"));
    }

    #[test]
    fn a_header_that_is_too_long_is_left_out_and_the_next_one_still_read() {
        let list = AllowList::new([header::CONTENT_TYPE, header::FROM, header::HOST], "x-tag-");
        let mut headers = HeaderMap::new();
        let value = |length| HeaderValue::from_bytes(&vec![b'a'; length]).expect("text");
        headers.insert("content-type", value(MAX_VALUE_BYTES));
        headers.insert("from", value(MAX_VALUE_BYTES + 1));
        let name = format!("x-tag-{}", "a".repeat(MAX_VALUE_BYTES));
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.insert(name, value(70_000));
        headers.insert("host", HeaderValue::from_static("here"));
        let mut copy = Vec::new();
        list.copy(&"p".repeat(9000), &headers, &mut copy);
        let prefix = Prefix::read(&copy);
        assert_eq!(prefix.path().len(), MAX_PATH_BYTES);
        assert_eq!(
            prefix.header("content-type").map(<[u8]>::len),
            Some(MAX_VALUE_BYTES)
        );
        assert_eq!(prefix.header("host"), Some(&b"here"[..]));
        assert_eq!(prefix.headers().count(), 2);
    }

    #[test]
    fn damaged_bytes_read_as_nothing() {
        assert_eq!(Prefix::read(&[9]).headers().count(), 0);
        assert_eq!(
            Prefix::read(&[1, 0, b'/', 200, 0, b'x']).headers().count(),
            0
        );
    }
}
