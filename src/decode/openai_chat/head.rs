//! What every chunk of a stream says again before its choices, read once.

use super::wire;
use crate::json;

/// Learning costs a second reading of the head; a stream whose heads all differ is not worth more tries.
const MAX_VAIN_LESSONS: usize = 8;

/// The members before `choices` of the last chunk that was read whole.
///
/// They are more than half of most chunks (id, object, created, model, fingerprint). While they stay the same
/// to the byte, the rest of a chunk is a chunk that says the same.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// From the opening brace to the comma before `choices`; empty where nothing is known.
    text: String,
    /// The rest of a chunk, as an object of its own.
    rest: String,
    lessons: usize,
    hits: usize,
}

impl Head {
    /// A chunk without the head, where it has the known one. To be given back with [`put_back`](Self::put_back).
    pub(super) fn take_rest(&mut self, chunk: &str) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        let rest = chunk.strip_prefix(self.text.as_str())?;
        self.hits += 1;
        let mut object = std::mem::take(&mut self.rest);
        object.clear();
        object.push('{');
        object.push_str(rest);
        Some(object)
    }

    /// Gives the buffer back.
    pub(super) fn put_back(&mut self, rest: String) {
        self.rest = rest;
    }

    /// Learns the head of a chunk that was read whole, if it was one, and forgets the one before.
    pub(super) fn learn(&mut self, chunk: &str, is_chunk: bool) {
        self.text.clear();
        if !is_chunk || self.lessons > self.hits + MAX_VAIN_LESSONS {
            return;
        }
        let Some((head, _)) = chunk.split_once("\"choices\"") else {
            return;
        };
        let Some(members) = head.trim_ascii_end().strip_suffix(',') else {
            return;
        };
        self.lessons += 1;
        let members = format!("{members}}}");
        let is_plain = json::document::<wire::Response<'_>>(&members).is_some_and(|head| {
            head.usage.is_none()
                && head.error.is_none()
                && head.x_groq.is_none()
                && head.choices.is_none()
        });
        if is_plain {
            self.text.push_str(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::decode::{Policy, openai_chat::reply};

    fn rest(learned: &str, chunk: &str) -> Option<String> {
        let mut head = Head::default();
        head.learn(learned, true);
        head.take_rest(chunk)
    }

    #[test]
    fn the_same_head_is_left_out() {
        let rest = rest(
            r#"{"id":"a","choices":[]}"#,
            r#"{"id":"a","choices":[1],"usage":null}"#,
        );
        assert_eq!(rest.as_deref(), Some(r#"{"choices":[1],"usage":null}"#));
    }

    #[test]
    fn another_head_is_not() {
        assert_eq!(
            rest(r#"{"id":"a","choices":[]}"#, r#"{"id":"b","choices":[]}"#),
            None
        );
    }

    #[test]
    fn only_whole_members_that_can_be_left_out_are_a_head() {
        for chunk in [
            r#"{"choices":[]}"#,
            r#"{"a":{"b":1,"choices":[]},"choices":[]}"#,
            r#"{"a":[1,"choices"]}"#,
            r#"{"usage":{},"choices":[]}"#,
            r#"{"error":{},"choices":[]}"#,
        ] {
            assert_eq!(rest(chunk, chunk), None, "{chunk}");
        }
    }

    #[test]
    fn heads_that_all_differ_are_given_up() {
        let mut head = Head::default();
        for n in 0..100 {
            head.learn(&format!("{{\"created\":{n},\"choices\":[]}}"), true);
        }
        assert_eq!(
            (head.lessons, head.text.as_str()),
            (MAX_VAIN_LESSONS + 1, "")
        );
    }

    proptest! {
        #[test]
        fn a_head_that_is_known_changes_nothing(chunks in prop::collection::vec(
            (prop::sample::select(vec!["\"id\":\"a\",", "\"id\":\"b\",\"system_fingerprint\":\"f\",", "\"model\":1,",
                "\"error\":null,\"system_fingerprint\":\"g\",", "\"usage\":{\"prompt_tokens\":1},", "\"error\":\"e\",", ""]),
             prop::sample::select(vec!["[{\"delta\":{\"content\":\"x\"}}]", "[]", "null", "[{\"delta\":{\"content\":\"y\"},\"index\":1}]", "["]),
             prop::sample::select(vec!["", ",\"usage\":{\"prompt_tokens\":2}", ",\"model\":\"m\"", ",\"error\":{\"message\":\"e\"}"])),
            0..20,
        )) {
            let (mut same, mut different) = (String::new(), String::new());
            for (n, (head, choices, tail)) in chunks.iter().enumerate() {
                write!(same, "data: {{{head}\"choices\":{choices}{tail}}}\n\n").expect("written");
                write!(different, "data: {{{}{head}\"choices\":{choices}{tail}}}\n\n", " ".repeat(n + 1)).expect("written");
            }
            let policy = Policy { max_decoded_bytes: 0, max_parsed_bytes: 1 << 20, max_raw_bytes: 0, keep_media: false };
            let read = |body: &str| reply(body, true, false, &policy).ok().map(|read| {
                let mut reply = read.value;
                if let Some(first) = reply.choices.first_mut()
                    && let Some(Value::Object(events)) = first.message.other.get_mut("unparsed_events")
                {
                    events.remove("first");
                }
                reply
            });
            prop_assert_eq!(read(&same), read(&different));
        }
    }
}
