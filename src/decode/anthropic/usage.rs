//! The tokens of a reply.

use std::borrow::Cow;

use crate::{
    conversation::Usage,
    json::{self, Fault, Members, Raw, Source, count, counted},
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
    let joined = members.into_iter().chain(stated).collect();
    Usage {
        prompt_tokens: usage.prompt_tokens.or(begun.prompt_tokens),
        completion_tokens: usage.completion_tokens.or(begun.completion_tokens),
        total_tokens: None,
        cached_tokens: usage.cached_tokens.or(begun.cached_tokens),
        cache_write_tokens: usage.cache_write_tokens.or(begun.cache_write_tokens),
        reasoning_tokens: usage.reasoning_tokens.or(begun.reasoning_tokens),
        raw: Some(object(joined)),
    }
}

/// The source of an object with these members, in order; of one that is there twice, the last stands.
fn object(mut members: Vec<(Cow<'_, str>, Raw<'_>)>) -> String {
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    let bytes = members
        .iter()
        .map(|(key, source)| key.len() + source.get().len() + 4);
    let mut object = String::with_capacity(bytes.sum::<usize>() + 2);
    let mut members = members.iter().peekable();
    while let Some((key, source)) = members.next() {
        if members.peek().is_some_and(|(next, _)| next == key) {
            continue;
        }
        object.push(if object.is_empty() { '{' } else { ',' });
        json::put_string(&mut object, key);
        object.push(':');
        object.push_str(source.get());
    }
    if object.is_empty() {
        object.push('{');
    }
    object.push('}');
    object
}

fn sent(usage: Usage, source: &str) -> Usage {
    Usage {
        raw: Some(source.to_owned()),
        ..usage
    }
}

/// About as many are stated.
const MEMBERS: usize = 12;

#[derive(Default)]
struct Wire<'a> {
    usage: Usage,
    /// All members.
    members: Vec<(Cow<'a, str>, Raw<'a>)>,
}

impl<'de> Members<'de> for Wire<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        let source = map.raw()?;
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
        if self.members.is_empty() {
            self.members.reserve(MEMBERS);
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
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "thinking_tokens" => self.thinking = count(map)?,
            _ => map.skip()?,
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
