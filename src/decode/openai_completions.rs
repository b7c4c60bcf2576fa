//! OpenAI's older completions of a text, and Mistral's between two. What is answered is read as a chat.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    Read, claims, inputs,
    json::{Fault, Field, Members, Raw, Source, stated},
    openai_chat,
};
use crate::conversation::Prompt;

/// Reads a request; `None` where the document is none. What is to stand after the completion is in the
/// `other` of the last message.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (request, claims) = claims::document::<Request<'_>>(source)?;
    let Some(prompt) = request.prompt else {
        return openai_chat::prompt(source, keep_media);
    };
    let (mut messages, truncated) = inputs::messages(prompt, keep_media);
    if let (Some(last), Some(suffix)) = (messages.last_mut(), request.suffix.text()) {
        let suffix = Value::String(suffix.into_owned());
        last.other.insert("suffix".to_owned(), suffix);
    }
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        stream: matches!(request.stream, Field::Other(Value::Bool(true))),
        messages,
        claims,
        ..Prompt::default()
    };
    Some(Read::new(value, truncated))
}

#[derive(Default)]
struct Request<'a> {
    model: Field<'a>,
    stream: Field<'a>,
    prompt: Option<Raw<'a>>,
    suffix: Field<'a>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "stream" => self.stream = map.field()?,
            "prompt" => self.prompt = stated(map)?,
            "suffix" => self.suffix = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Prompt {
        prompt(source, false).expect("a request").value
    }

    #[test]
    fn texts_around_a_gap_are_read() {
        let read =
            read(r#"{"model":"codestral","prompt":"def f(","suffix":"return x","stream":true}"#);
        assert_eq!(
            (read.model.as_deref(), read.stream),
            (Some("codestral"), true)
        );
        assert_eq!(read.messages[0].content, "def f(");
        assert_eq!(read.messages[0].other["suffix"], "return x");
    }

    #[test]
    fn a_chat_at_the_path_of_completions_is_read() {
        let read = read(r#"{"messages":[{"role":"user","content":"hi"}]}"#);
        assert_eq!(read.messages[0].content, "hi");
        assert!(prompt("{}", false).is_none());
    }
}
