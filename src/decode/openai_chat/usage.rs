//! The tokens of a reply.

use std::borrow::Cow;

use crate::{
    conversation::Usage,
    decode::json::{self, Fault, Members, Source, count},
};

/// Reads a usage object of either API of OpenAI; `None` where it is not an object.
pub(in crate::decode) fn read(source: &str) -> Option<Usage> {
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
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        let usage = &mut self.usage;
        match key.as_ref() {
            "prompt_tokens" | "input_tokens" => usage.prompt_tokens = count(map)?,
            "completion_tokens" | "output_tokens" => usage.completion_tokens = count(map)?,
            "total_tokens" => usage.total_tokens = count(map)?,
            // DeepSeek's, Moonshot's and LiteLLM's places for what others say in the details.
            "prompt_cache_hit_tokens" | "cached_tokens" | "cache_read_input_tokens" => {
                usage.cached_tokens = usage.cached_tokens.or(count(map)?);
            }
            "cache_creation_input_tokens" => {
                let written = count(map)?.filter(|&tokens| tokens != 0);
                usage.cache_write_tokens = usage.cache_write_tokens.or(written);
            }
            "reasoning_tokens" => {
                usage.reasoning_tokens = usage.reasoning_tokens.or(count(map)?);
            }
            "prompt_tokens_details" | "input_tokens_details" => {
                let mut details = None;
                json::object(map, &mut details)?;
                let details: Details = details.unwrap_or_default();
                usage.cached_tokens = details.cached.or(usage.cached_tokens);
                // Providers without such a cache state a zero, which is not a count.
                let written = details.cache_write.filter(|&tokens| tokens != 0);
                usage.cache_write_tokens = written.or(usage.cache_write_tokens);
            }
            "completion_tokens_details" | "output_tokens_details" => {
                let mut details: Option<Details> = None;
                json::object(map, &mut details)?;
                let reasoning = details.unwrap_or_default().reasoning;
                usage.reasoning_tokens = reasoning.or(usage.reasoning_tokens);
            }
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Details {
    cached: Option<i64>,
    cache_write: Option<i64>,
    reasoning: Option<i64>,
}

impl<'de> Members<'de> for Details {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "cached_tokens" => self.cached = count(map)?,
            "cache_write_tokens" | "cache_creation_input_tokens" => {
                self.cache_write = count(map)?;
            }
            "reasoning_tokens" => self.reasoning = count(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_is_read_and_the_source_is_kept() {
        let source = r#"{"prompt_tokens":9,"total_tokens":12.0, "completion_tokens":"x","prompt_cache_hit_tokens":4}"#;
        let usage = read(source).expect("a usage");
        assert_eq!(
            (
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.total_tokens
            ),
            (Some(9), None, Some(12))
        );
        assert_eq!(usage.cached_tokens, Some(4));
        assert_eq!(usage.raw.as_deref(), Some(source));
    }

    #[test]
    fn the_details_go_before_the_older_names() {
        let usage = read(
            r#"{"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":7},"prompt_cache_hit_tokens":4,
                "completion_tokens_details":{"reasoning_tokens":0}}"#,
        )
        .expect("a usage");
        assert_eq!(usage.cached_tokens, Some(3));
        assert_eq!(
            (usage.cache_write_tokens, usage.reasoning_tokens),
            (Some(7), Some(0))
        );
    }

    #[test]
    fn what_is_no_object_is_no_usage() {
        assert_eq!(read("7"), None);
    }
}
