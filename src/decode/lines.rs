//! Documents in a row, one a line.

use memchr::memchr;

/// Whether a body is a row of documents and not one alone, whatever lines that takes.
pub(super) fn sniff(body: &str) -> bool {
    let body = body.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let Some((first, rest)) = body.split_once('\n') else {
        return false;
    };
    first.starts_with('{') && first.trim_ascii_end().ends_with('}') && !rest.trim_ascii().is_empty()
}

/// The lines that say something, and whether the end of each was there.
pub(super) fn lines(body: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = body.strip_prefix('\u{feff}').unwrap_or(body);
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (line, ended) = match memchr(b'\n', rest.as_bytes()) {
                Some(end) => {
                    let (line, after) = rest.split_at(end);
                    rest = after.get(1..).unwrap_or_default();
                    (line, true)
                }
                None => (std::mem::take(&mut rest), false),
            };
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some((line, ended));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_documents_is_told_from_one() {
        assert!(sniff("{\"a\":1}\r\n{\"b\":1}\n"));
        assert!(!sniff("{\"a\":1}\n"));
        assert!(!sniff("{\n\"a\":1}\n"));
        assert!(!sniff("{\"a\":1}"));
    }

    #[test]
    fn every_line_is_given() {
        let read: Vec<_> = lines("{}\r\n\n 1 \n{\"a").collect();
        assert_eq!(read, [("{}", true), ("1", true), ("{\"a", false)]);
    }
}
