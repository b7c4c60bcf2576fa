//! The tokens of a reply.

use std::borrow::Cow;

use crate::{
    conversation::Usage,
    decode::json::{self, Fault, Members, Source, count},
};

/// Reads a usage object; `None` where it is not an object.
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
            "promptTokenCount" | "prompt_token_count" => usage.prompt_tokens = count(map)?,
            "candidatesTokenCount" | "candidates_token_count" => {
                usage.completion_tokens = count(map)?;
            }
            "totalTokenCount" | "total_token_count" => usage.total_tokens = count(map)?,
            "cachedContentTokenCount" | "cached_content_token_count" => {
                usage.cached_tokens = count(map)?;
            }
            "thoughtsTokenCount" | "thoughts_token_count" => usage.reasoning_tokens = count(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}
