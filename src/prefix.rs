//! Path and allow-listed headers, copied in one pass into the exchange's own buffer.
//!
//! Who speaks in which conversation is decided from this copy in the writer. A header that is not
//! on the list is never copied, so no credential can be stored by oversight.

use http::{HeaderMap, HeaderName};

/// A longer value is cut: no id or tag that is kept needs more.
pub(crate) const MAX_VALUE_BYTES: usize = 8 << 10;
/// hyper takes paths of 64 KiB.
const MAX_PATH_BYTES: usize = 2 << 10;

/// Which headers are copied.
#[derive(Clone, Debug)]
pub(crate) struct AllowList {
    names: Vec<String>,
    tag_prefix: String,
    /// Per first letter, the lengths of the names on the list: most headers end here.
    lengths: [u64; 256],
}

impl AllowList {
    /// The list with these names, and every name that begins with `tag_prefix` and goes on.
    pub(crate) fn new(names: impl IntoIterator<Item = HeaderName>, tag_prefix: &str) -> Self {
        let names: Vec<String> = names
            .into_iter()
            .map(|name| name.as_str().to_owned())
            .collect();
        let mut lengths = [0; 256];
        for name in &names {
            if let Some(first) = name.bytes().next()
                && let Some(lengths) = lengths.get_mut(usize::from(first))
            {
                *lengths |= length_bit(name.len());
            }
        }
        Self {
            names,
            tag_prefix: tag_prefix.to_ascii_lowercase(),
            lengths,
        }
    }

    fn allows(&self, name: &str) -> bool {
        let Some(first) = name.bytes().next() else {
            return false;
        };
        let lengths = self.lengths.get(usize::from(first)).copied();
        lengths.unwrap_or_default() & length_bit(name.len()) != 0
            && self.names.iter().any(|listed| listed == name)
            || self.is_tag(name)
    }

    fn is_tag(&self, name: &str) -> bool {
        // Most names differ in their first bytes: to call memcmp costs more.
        let mut pairs = self.tag_prefix.bytes().zip(name.bytes());
        !self.tag_prefix.is_empty()
            && name.len() > self.tag_prefix.len()
            && pairs.all(|(expected, byte)| expected == byte)
    }

    /// Copies the path and what is allowed of the headers. Query strings are never copied.
    pub(crate) fn copy(&self, path: &str, headers: &HeaderMap, into: &mut Vec<u8>) {
        put(into, path.as_bytes(), MAX_PATH_BYTES);
        for (name, value) in headers {
            let name = name.as_str();
            if self.allows(name) {
                put(into, name.as_bytes(), MAX_VALUE_BYTES);
                put(into, value.as_bytes(), MAX_VALUE_BYTES);
            }
        }
    }
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

pub(crate) fn put(into: &mut Vec<u8>, bytes: &[u8], at_most: usize) {
    let bytes = bytes.get(..at_most).unwrap_or(bytes);
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
    use http::{HeaderValue, header};

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
    fn a_long_value_is_cut_and_the_next_one_still_read() {
        let list = AllowList::new([header::CONTENT_TYPE, header::HOST], "x-tag-");
        let mut headers = HeaderMap::new();
        let long = vec![b'a'; 70_000];
        headers.insert(
            "content-type",
            HeaderValue::from_bytes(&long).expect("text"),
        );
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
