//! Embeddings, in the words of OpenAI, Mistral, Google, Cohere and Ollama: what was embedded, and never a vector.

use std::borrow::Cow;

use serde_json::json;

use super::{
    Read, Unread, claims, failure, gemini, inputs,
    json::{self, Fault, Field, List, Members, Raw, Source, stated},
    limits::MAX_MESSAGES,
    openai_chat::usage,
};
use crate::{
    conversation::{Choice, Message, Prompt, Reply, Role, Usage},
    outcome::Truncated,
};

/// Reads a request; `None` where the document is none.
pub(super) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    let (request, claims) = claims::document::<Request<'_>>(source)?;
    let mut truncated = Truncated::No;
    let mut messages = Vec::new();
    for &input in &request.inputs {
        let (read, cut) = inputs::messages(input, keep_media);
        messages.extend(read);
        truncated = truncated.max(cut);
    }
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        messages,
        claims,
        ..Prompt::default()
    };
    (!request.inputs.is_empty()).then(|| Read::new(value, truncated))
}

/// Reads a response: one empty answer, that tells how many vectors of how many numbers there were in its
/// `other["embeddings"]`. One that was cut or damaged is no reason to keep numbers.
pub(super) fn reply(source: &str, cut: bool) -> Result<Read<Reply>, Unread> {
    let read = super::repaired(source, cut, |source| {
        json::document::<Response<'_>>(source).map(Response::reply)
    });
    match read {
        Some(reply) => reply
            .map(|reply| Read::new(reply, Truncated::No))
            .ok_or(Unread::Unknown),
        None if source.trim_ascii_start().starts_with('{') => {
            Ok(Read::new(Reply::default(), Truncated::Cap))
        }
        None => Err(Unread::Unknown),
    }
}

#[derive(Default)]
struct Request<'a> {
    model: Field<'a>,
    inputs: Vec<Raw<'a>>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "input" | "inputs" | "inputText" | "prompt" | "texts" | "images" | "content"
            | "requests" => self.inputs.extend(stated(map)?),
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Response<'a> {
    model: Field<'a>,
    data: Option<List<Vectors<'a>, MAX_MESSAGES>>,
    vectors: Vectors<'a>,
    usage: Option<Raw<'a>>,
    meta: Option<Raw<'a>>,
    google: Option<Raw<'a>>,
    prompt_eval_count: Option<i64>,
    error: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Response<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "data" => json::list(map, &mut self.data)?,
            "usage" => self.usage = stated(map)?,
            "meta" => self.meta = stated(map)?,
            "prompt_eval_count" | "inputTextTokenCount" => {
                self.prompt_eval_count = json::count(map)?;
            }
            "usageMetadata" => self.google = stated(map)?,
            "error" => self.error = stated(map)?,
            _ => self.vectors.member(key, map)?,
        }
        Ok(())
    }
}

impl Response<'_> {
    fn reply(self) -> Option<Reply> {
        let error = self
            .error
            .and_then(|source| failure::object(&json::parsed(source)));
        let shape = match &self.data {
            Some(data) => {
                let first = data.items.first().and_then(Vectors::shape);
                Some((data.items.len(), first.map_or(0, |(_, numbers)| numbers)))
            }
            None => self.vectors.shape(),
        };
        let choice = shape.map(|(count, dimensions)| {
            let mut message = Message::new(Role::Assistant, "");
            let shape = json!({"count": count, "dimensions": dimensions});
            message.other.insert("embeddings".to_owned(), shape);
            Choice {
                index: 0,
                message,
                finish_reason: None,
            }
        });
        if choice.is_none() && error.is_none() {
            return None;
        }
        let stated = self.usage.and_then(|source| usage::read(source.get()));
        let billed = self.meta.map(|source| Usage {
            raw: Some(source.get().to_owned()),
            prompt_tokens: billed_tokens(source.get()),
            ..Usage::default()
        });
        let google = self
            .google
            .and_then(|source| gemini::usage::read(source.get()));
        let counted = self.prompt_eval_count.map(|tokens| Usage {
            raw: Some(json!({"prompt_eval_count": tokens}).to_string()),
            prompt_tokens: Some(tokens),
            ..Usage::default()
        });
        Some(Reply {
            model: self.model.text().map(Cow::into_owned),
            choices: choice.into_iter().collect(),
            usage: stated.or(billed).or(google).or(counted).unwrap_or_default(),
            error,
            ..Reply::default()
        })
    }
}

fn billed_tokens(meta: &str) -> Option<i64> {
    let meta: serde_json::Value = json::read(meta)?;
    let tokens = meta.get("billed_units")?.get("input_tokens")?;
    tokens
        .as_i64()
        .or_else(|| tokens.as_f64().map(|tokens| tokens as i64))
}

/// Where vectors stand: one in `embedding`, several in `embeddings`, there as a list or by their type.
#[derive(Default)]
struct Vectors<'a> {
    one: Option<Raw<'a>>,
    several: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Vectors<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "embedding" => self.one = stated(map)?,
            "embeddings" => self.several = stated(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

impl Vectors<'_> {
    /// How many vectors there are, and of how many numbers.
    fn shape(&self) -> Option<(usize, usize)> {
        if let Some(one) = self.one {
            return Some((1, numbers(one.get())));
        }
        let several = self.several?.get();
        // By type, the first stands for all.
        let list = several.get(several.find('[')?..)?;
        let list = match several.starts_with('{') {
            true => list.split_once("]]").map_or(list, |(first, _)| first),
            false => list,
        };
        let count = memchr::memchr_iter(b'[', list.as_bytes()).count() - 1;
        match count {
            0 => None,
            count => Some((count, numbers(list) / count)),
        }
    }
}

/// How many numbers a list has, or the base64 of so many of four bytes.
fn numbers(source: &str) -> usize {
    match source.strip_prefix('"') {
        Some(base64) => base64.trim_end_matches(['"', '=']).len() * 3 / 16,
        None if source.trim_matches(['[', ']', ' ']).is_empty() => 0,
        None => memchr::memchr_iter(b',', source.as_bytes()).count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(source: &str) -> serde_json::Value {
        let read = reply(source, false).expect("a reply").value;
        read.choices[0].message.other["embeddings"].clone()
    }

    #[test]
    fn vectors_are_counted_in_every_form_and_never_kept() {
        for source in [
            r#"{"object":"list","data":[{"embedding":[0.1,0.2,3]},{"embedding":[1,2,3]}]}"#,
            r#"{"data":[{"embedding":"AAAAAAAAAAAAAAAA"},{"embedding":"AAAAAAAAAAAAAAAA"}]}"#,
            r#"{"model":"m","embeddings":[[1,2,3],[4,5,6]]}"#,
            r#"{"embeddings":{"float":[[1,2,3],[4,5,6]],"int8":[[1,2,3],[4,5,6]]}}"#,
            r#"{"embeddings":[{"values":[1,2,3]},{"values":[4,5,6]}]}"#,
        ] {
            assert_eq!(
                shape(source),
                json!({"count": 2, "dimensions": 3}),
                "{source}"
            );
        }
        assert_eq!(
            shape(r#"{"embedding":[1,2]}"#),
            json!({"count": 1, "dimensions": 2})
        );
        assert_eq!(
            shape(r#"{"embedding":{"values":[1,2]}}"#),
            json!({"count": 1, "dimensions": 2})
        );
        assert!(reply(r#"{"odd":1}"#, false).is_err());
        assert!(reply("<html>", false).is_err());
    }

    #[test]
    fn a_damaged_response_keeps_no_numbers() {
        let read = reply(r#"{"data":[{"embedding":[0.1,0."#, false).expect("a reply");
        assert!(read.value.choices.is_empty());
        let read = reply(r#"{"data":[{"embedding":[0.1,0."#, true).expect("a reply");
        assert_eq!(read.value.choices[0].message.content, "");
    }

    #[test]
    fn tokens_are_read_where_they_are_stated() {
        let usage = |source: &str| reply(source, false).expect("a reply").value.usage;
        let openai = usage(r#"{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#);
        assert_eq!(
            (openai.prompt_tokens, openai.total_tokens),
            (Some(3), Some(3))
        );
        let cohere = usage(r#"{"embeddings":[[1]],"meta":{"billed_units":{"input_tokens":208}}}"#);
        assert_eq!(cohere.prompt_tokens, Some(208));
        let ollama = usage(r#"{"embeddings":[[1]],"prompt_eval_count":8}"#);
        assert_eq!(ollama.prompt_tokens, Some(8));
    }

    #[test]
    fn inputs_are_read_in_every_word() {
        for source in [
            r#"{"model":"m","input":["a","b"]}"#,
            r#"{"model":"m","texts":["a","b"]}"#,
            r#"{"model":"m","inputs":[{"text":"a"},{"text":"b"}]}"#,
            r#"{"model":"m","requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}"#,
        ] {
            let read = prompt(source, false).expect("a request").value;
            assert_eq!(read.model.as_deref(), Some("m"));
            let texts: Vec<&str> = read
                .messages
                .iter()
                .map(|said| said.content.as_str())
                .collect();
            assert_eq!(texts, ["a", "b"]);
        }
        assert!(prompt(r#"{"model":"m"}"#, false).is_none());
    }
}
