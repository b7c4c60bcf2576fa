//! The tokens of a reply.

use std::borrow::Cow;

use crate::{
    conversation::Usage,
    decode::json::{self, Fault, Members, Source, count},
};

/// Reads a usage object; `None` where it is not an object.
pub(super) fn read(source: &str) -> Option<Usage> {
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
            "inputTokens" => usage.prompt_tokens = count(map)?,
            "outputTokens" => usage.completion_tokens = count(map)?,
            "totalTokens" => usage.total_tokens = count(map)?,
            "cacheReadInputTokens" | "cacheReadInputTokenCount" => {
                usage.cached_tokens = usage.cached_tokens.or(count(map)?);
            }
            "cacheWriteInputTokens" | "cacheWriteInputTokenCount" => {
                usage.cache_write_tokens = usage.cache_write_tokens.or(count(map)?);
            }
            _ => map.skip()?,
        }
        Ok(())
    }
}
