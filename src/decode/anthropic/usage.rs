//! The tokens of a reply.

use std::{borrow::Cow, collections::BTreeMap};

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::{
    conversation::Usage,
    decode::json::{self, Access, Members, count, counted},
};

/// Reads the usage that a message began with and the one that came last, which is counted from the
/// beginning: what it states stands.
pub(super) fn read(first: &str, last: &str) -> Usage {
    let (first, last) = match (json::document(first), json::document(last)) {
        (Some(first), Some(last)) => (first, last),
        (Some(Wire { usage, .. }), None) => return sent(usage, first),
        (None, Some(Wire { usage, .. })) => return sent(usage, last),
        (None, None) => return Usage::default(),
    };
    let (
        Wire {
            usage: begun,
            members,
        },
        Wire {
            usage,
            members: stated,
        },
    ) = (first, last);
    let stated = stated
        .into_iter()
        .filter(|(_, value)| value.get() != "null");
    let joined: BTreeMap<_, _> = members.into_iter().chain(stated).collect();
    Usage {
        prompt_tokens: usage.prompt_tokens.or(begun.prompt_tokens),
        completion_tokens: usage.completion_tokens.or(begun.completion_tokens),
        total_tokens: None,
        cached_tokens: usage.cached_tokens.or(begun.cached_tokens),
        cache_write_tokens: usage.cache_write_tokens.or(begun.cache_write_tokens),
        reasoning_tokens: usage.reasoning_tokens.or(begun.reasoning_tokens),
        raw: serde_json::to_string(&joined).ok(),
    }
}

fn sent(usage: Usage, source: &str) -> Usage {
    Usage {
        raw: Some(source.to_owned()),
        ..usage
    }
}

#[derive(Default)]
struct Wire<'a> {
    usage: Usage,
    /// All members.
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'de> Members<'de> for Wire<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        let source: &RawValue = map.next_value()?;
        let usage = &mut self.usage;
        match key.as_ref() {
            "input_tokens" => usage.prompt_tokens = counted(source),
            "output_tokens" => usage.completion_tokens = counted(source),
            "cache_read_input_tokens" => usage.cached_tokens = counted(source),
            "cache_creation_input_tokens" => usage.cache_write_tokens = counted(source),
            "output_tokens_details" => {
                let details: Option<Details> = json::document(source.get());
                usage.reasoning_tokens = details.unwrap_or_default().thinking;
            }
            _ => {}
        }
        self.members.push((key, source));
        Ok(())
    }
}

#[derive(Default)]
struct Details {
    thinking: Option<i64>,
}

impl<'de> Members<'de> for Details {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "thinking_tokens" => self.thinking = count(map)?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_last_usage_overwrites_what_it_states() {
        let usage = read(
            r#"{"input_tokens":9,"output_tokens":1,"cache_read_input_tokens":5,"cache_creation_input_tokens":null}"#,
            r#"{"output_tokens":30,"input_tokens":null,"output_tokens_details":{"thinking_tokens":7}}"#,
        );
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens),
            (Some(9), Some(30))
        );
        assert_eq!(
            (usage.cached_tokens, usage.cache_write_tokens),
            (Some(5), None)
        );
        assert_eq!(
            (usage.total_tokens, usage.reasoning_tokens),
            (None, Some(7))
        );
        let raw: Value = json::read(&usage.raw.expect("as sent")).expect("an object");
        assert_eq!(
            (&raw["input_tokens"], &raw["output_tokens"]),
            (&9.into(), &30.into())
        );
    }

    #[test]
    fn one_usage_alone_stands_as_sent() {
        let source = r#"{ "input_tokens": 2.0 }"#;
        for usage in [read(source, ""), read("", source)] {
            assert_eq!(usage.prompt_tokens, Some(2));
            assert_eq!(usage.raw.as_deref(), Some(source));
        }
        assert_eq!(read("7", "null"), Usage::default());
        assert_eq!(read("{}", "{}").raw.as_deref(), Some("{}"));
    }
}
