//! What a request's body says of who asks, and in which conversation, beside what is asked.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

use crate::{
    conversation::Claims,
    json::{self, Fault, Source},
};

/// The members that are kept, and the objects whose members are.
const MEMBERS: [&str; 16] = [
    "chat_id",
    "conversation",
    "conversation_id",
    "litellm_metadata",
    "litellm_session_id",
    "litellm_trace_id",
    "metadata",
    "no-log",
    "prompt_cache_key",
    "safety_identifier",
    "session_id",
    "tensorzero::episode_id",
    "thread_id",
    "user",
    "user_id",
    "extra_body",
];
/// A longer value is no name.
const MAX_VALUE_BYTES: usize = 4 << 10;
/// Of one body.
const MAX_CLAIMS: usize = 64;

/// Most bodies have none of the members, and are not read twice. In a string the quotes would be escaped.
static ANY_MEMBER: LazyLock<Regex> = LazyLock::new(|| {
    let members = MEMBERS.join("|");
    let pattern = format!(r#""(?:{members})"[ \t\r\n]*:"#);
    Regex::new(&pattern).unwrap_or_else(|error| panic!("a pattern of this crate: {error}"))
});

/// Reads a whole document that is a request, and what it says of who asks; `None` where it is no object, or no
/// JSON.
pub(super) fn document<'de, T: json::Members<'de>>(source: &'de str) -> Option<(T, Claims)> {
    let Claimed { object, claims } = json::document(source)?;
    Some((object, claims))
}

/// A request whose claims are taken in passing.
#[derive(Default)]
struct Claimed<T> {
    object: T,
    claims: Claims,
}

impl<'de, T: json::Members<'de>> json::Members<'de> for Claimed<T> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        if !MEMBERS.contains(&&*key) || self.claims.0.len() >= MAX_CLAIMS {
            return self.object.member(key, map);
        }
        let source = map.raw()?;
        take(&mut self.claims, key.clone(), source.get(), false);
        self.object
            .member(key, &mut Source::new(source.get(), true))
    }
}

/// Reads them from a document, as far as it goes.
pub(crate) fn claims(document: &str) -> Claims {
    let mut claims = Claims::default();
    if ANY_MEMBER.is_match(document) {
        // What was read until something was wrong counts.
        let _ = members(&mut claims, document, "");
    }
    claims
}

/// Reads the members of an object, and `within` which member that is.
fn members(claims: &mut Claims, document: &str, within: &str) -> Result<(), Fault> {
    let mut reader = Source::new(document, true);
    reader.each_member(|member, reader| {
        let is_wanted = !within.is_empty() || MEMBERS.contains(&&*member);
        if !is_wanted || claims.0.len() >= MAX_CLAIMS {
            return reader.skip();
        }
        let source = reader.raw()?;
        let name = match within {
            "" => member,
            within => Cow::Owned(format!("{within}.{member}")),
        };
        take(claims, name, source.get(), !within.is_empty());
        Ok(())
    })
}

/// Reads a member's value.
fn take(claims: &mut Claims, name: Cow<'_, str>, source: &str, is_within: bool) {
    match source.as_bytes().first() {
        Some(b'"') if source.len() <= MAX_VALUE_BYTES => {
            if let Some(text) = json::read(source) {
                claims.0.push((name.into_owned(), text));
            }
        }
        Some(b't' | b'f') => claims.0.push((name.into_owned(), source.to_owned())),
        // The source is whole: what stands in it is what it is.
        Some(b'{') if !is_within => drop(members(claims, source, &name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_truths_are_found_by_their_names_wherever_they_stand() {
        let found = claims(
            r#"{"messages":[{"role":"user","user":"no"}],"user" : "ada","conversation":{"id":"c1","x":1},
               "metadata":{"session_id":"s\u0031","deep":{"user":"no"},"n":1},"no-log":true,"seed":"no"}"#,
        );
        for (name, value) in [
            ("user", "ada"),
            ("conversation.id", "c1"),
            ("metadata.session_id", "s1"),
            ("no-log", "true"),
        ] {
            assert_eq!(found.get(name), Some(value), "{name}");
        }
        assert_eq!(found.0.len(), 4, "{found:?}");
    }

    /// What an object says, and a claim among it.
    #[derive(Default)]
    struct Said(Vec<(String, String)>);

    impl<'de> json::Members<'de> for Said {
        fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
            let value = map.raw()?;
            self.0.push((key.into_owned(), value.get().to_owned()));
            Ok(())
        }
    }

    #[test]
    fn what_is_taken_in_passing_is_the_same_and_still_there() {
        let source = r#"{"user":"ada","n":1,"metadata":{"a":"b","deep":{"user":"no"}},"conversation":"c","user":"eve"}"#;
        let (Said(said), found) = document(source).expect("an object");
        assert_eq!(found, claims(source));
        let keys: Vec<&str> = said.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["user", "n", "metadata", "conversation", "user"]);
        assert_eq!(said[2].1, r#"{"a":"b","deep":{"user":"no"}}"#);
        for source in ["[]", r#"{"user":"a""#, r#"{"user":tru}"#] {
            assert!(document::<Said>(source).is_none(), "{source}");
        }
    }

    #[test]
    fn a_body_without_any_or_that_is_no_object_says_nothing() {
        for body in [
            "",
            "[1]",
            r#"{"messages":[{"role":"user","content":"say \"user\": me"}]}"#,
            r#"{"user":7,"conversation":[],"metadata":null}"#,
            r#""user": 1"#,
        ] {
            assert_eq!(claims(body), Claims::default(), "{body}");
        }
        let long = format!(r#"{{"user":"{}"}}"#, "a".repeat(MAX_VALUE_BYTES));
        assert_eq!(claims(&long), Claims::default());
    }

    #[test]
    fn what_stands_before_a_cut_is_read() {
        let found = claims(r#"{"user":"ada","messages":[{"role":"us"#);
        assert_eq!(found.get("user"), Some("ada"));
        let many: String = (0..1000).map(|n| format!(r#""k{n}":"v","#)).collect();
        let found = claims(&format!(r#"{{"metadata":{{{many}"z":"z"}}}}"#));
        assert_eq!(found.0.len(), MAX_CLAIMS);
    }
}
