//! Whether there may be media in what is not parsed.

use crate::json::Watch;

/// What tells whether there may be a payload in a source, before it is parsed.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::decode) struct Marks {
    has_url: bool,
    /// A member whose value is one wherever it stands.
    has_bare: bool,
    has_data: bool,
    has_bytes: bool,
    /// Something that makes one of `data`.
    has_kind: bool,
    /// An escape may stand for one of the letters that are looked for.
    is_hidden: bool,
}

impl Marks {
    /// Sees the name of a member.
    pub(in crate::decode) fn name(&mut self, name: &str) {
        match name {
            "data" => self.has_data = true,
            "bytes" => self.has_bytes = true,
            "audio" | "input_audio" | "inlineData" => self.has_kind = true,
            "file_data" | "b64_json" => self.has_bare = true,
            _ => {}
        }
    }

    /// Whether [`stub_within`](super::stub_within) might change what was seen.
    pub(in crate::decode) fn may_be_media(self) -> bool {
        let Self {
            has_url,
            has_bare,
            has_data,
            has_bytes,
            has_kind,
            is_hidden,
        } = self;
        has_url || has_bare || (has_data && has_kind) || has_bytes || is_hidden
    }

    /// What is looked for is short, and only `\u` hides a letter.
    fn look_for_escapes(&mut self, source: &str) {
        let head = source.as_bytes();
        let head = head.get(..MAX_HIDDEN_BYTES).unwrap_or(head);
        let escape = memchr::memchr(b'\\', head);
        self.is_hidden |= escape.is_some_and(|_| head.windows(2).any(|pair| pair == b"\\u"));
    }
}

/// The longest word that is looked for, `input_audio`, with all its letters escaped and its quotes.
const MAX_HIDDEN_BYTES: usize = 6 * 11 + 2;

impl Watch for Marks {
    fn key(&mut self, source: &str) {
        let name = source
            .strip_prefix('"')
            .and_then(|key| key.strip_suffix('"'));
        self.name(name.unwrap_or_default());
        self.look_for_escapes(source);
    }

    fn text(&mut self, source: &str) {
        self.has_url |= source.starts_with("\"data:");
        self.has_kind |= source == "\"base64\"";
        self.look_for_escapes(source);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{decode::media::stub_within, json::Source};

    #[test]
    fn what_may_be_media_is_told_before_it_is_parsed() {
        for (source, expected) in [
            (
                r#"{"data":"aGVsbG8=","type":"text","text":"a data:image/png;base64,"}"#,
                false,
            ),
            (
                r#"{"text":"a\nb","url":"https://a","image":{"format":"png"}}"#,
                false,
            ),
            (r#"["data:image/png;base64,aGVsbG8="]"#, true),
            (r#"["\u0064ata:image/png;base64,aGVsbG8="]"#, true),
            (r#"{"source":{"type":"base64","data":"aGVsbG8="}}"#, true),
            (r#"{"audio":{"data":"aGVsbG8="}}"#, true),
            (r#"{"image":{"source":{"bytes":"aGVsbG8="}}}"#, true),
            (r#"{"\u0066ile_data":"aGVsbG8="}"#, true),
            (r#"{"file_data":"aGVsbG8="}"#, true),
        ] {
            let mut marks = Marks::default();
            let seen = Source::new(source, false).seen(&mut marks);
            assert!(seen.is_ok_and(|seen| seen.get() == source));
            assert_eq!(marks.may_be_media(), expected, "{source}");
            let mut value: Value = serde_json::from_str(source).expect("JSON");
            stub_within(&mut value);
            let is_changed = value != serde_json::from_str::<Value>(source).expect("JSON");
            assert_eq!(is_changed, expected, "{source}");
        }
    }
}
