//! The tokens of a reply.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess};
use serde_json::{Map, Value};

use crate::{
    conversation::Usage,
    decode::json::{self, Members, count},
};

/// Reads the usage that a message began with and the one that came last, which is counted from the
/// beginning: what it states stands.
pub(super) fn read(first: &str, last: &str) -> Usage {
    let (first, last) = match (of(first), of(last)) {
        (Some(first), Some(last)) => (first, last),
        (one, other) => return one.or(other).unwrap_or_default(),
    };
    let raw = match (first.raw.as_deref(), last.raw.as_deref()) {
        (Some(first), Some(last)) => joined(first, last),
        _ => None,
    };
    Usage {
        prompt_tokens: last.prompt_tokens.or(first.prompt_tokens),
        completion_tokens: last.completion_tokens.or(first.completion_tokens),
        total_tokens: None,
        cached_tokens: last.cached_tokens.or(first.cached_tokens),
        cache_write_tokens: last.cache_write_tokens.or(first.cache_write_tokens),
        reasoning_tokens: last.reasoning_tokens.or(first.reasoning_tokens),
        raw,
    }
}

fn joined(first: &str, last: &str) -> Option<String> {
    let mut joined: Map<String, Value> = json::read(first)?;
    let last: Map<String, Value> = json::read(last)?;
    joined.extend(last.into_iter().filter(|(_, value)| !value.is_null()));
    Some(Value::Object(joined).to_string())
}

fn of(source: &str) -> Option<Usage> {
    let Wire { usage } = json::document(source)?;
    Some(Usage {
        raw: Some(source.to_owned()),
        ..usage
    })
}

#[derive(Default)]
struct Wire {
    usage: Usage,
}

impl<'de> Members<'de> for Wire {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let usage = &mut self.usage;
        match key.as_ref() {
            "input_tokens" => usage.prompt_tokens = count(map)?,
            "output_tokens" => usage.completion_tokens = count(map)?,
            "cache_read_input_tokens" => usage.cached_tokens = count(map)?,
            "cache_creation_input_tokens" => usage.cache_write_tokens = count(map)?,
            "output_tokens_details" => {
                let mut details: Option<Details> = None;
                json::object(map, &mut details)?;
                usage.reasoning_tokens = details.unwrap_or_default().thinking;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Details {
    thinking: Option<i64>,
}

impl<'de> Members<'de> for Details {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "thinking_tokens" => self.thinking = count(map)?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
    }
}
