//! What stands on the wire: request, response, candidate, content and part, in either spelling.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

use crate::decode::{
    json::{self, Fault, Field, Kept, List, Members, Raw, Source, stated, text_or_list},
    limits::{MAX_CHOICES, MAX_MESSAGES, MAX_PARTS},
    media::Marks,
};

/// Members that have no place of their own, as source.
pub(super) type Rest<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) model: Field<'a>,
    pub(super) text: Field<'a>,
    pub(super) contents: Option<List<Content<'a>, MAX_MESSAGES>>,
    pub(super) system: Option<List<Content<'a>, MAX_MESSAGES>>,
    pub(super) system_text: Field<'a>,
    pub(super) tools: Option<Raw<'a>>,
    /// Code Assist's envelope.
    pub(super) request: Option<Box<Request<'a>>>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "contents" => text_or_list(map, &mut self.text, &mut self.contents)?,
            "systemInstruction" | "system_instruction" => {
                text_or_list(map, &mut self.system_text, &mut self.system)?;
            }
            "tools" => self.tools = stated(map)?,
            "request" => json::object(map, &mut self.request)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// A whole response, or one piece of a stream.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub(super) candidates: Option<List<Candidate<'a>, MAX_CHOICES>>,
    pub(super) usage: Option<Raw<'a>>,
    pub(super) model: Field<'a>,
    pub(super) id: Field<'a>,
    pub(super) error: Option<Raw<'a>>,
    pub(super) feedback: Option<Raw<'a>>,
    pub(super) rest: Rest<'a>,
    /// Code Assist's envelope.
    pub(super) response: Option<Box<Response<'a>>>,
}

impl<'de> Members<'de> for Response<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "candidates" => json::list(map, &mut self.candidates)?,
            "usageMetadata" | "usage_metadata" => self.usage = stated(map)?,
            "modelVersion" | "model_version" => self.model = map.field()?,
            "responseId" | "response_id" => self.id = map.field()?,
            "error" => self.error = stated(map)?,
            "promptFeedback" | "prompt_feedback" => self.feedback = stated(map)?,
            "response" => json::object(map, &mut self.response)?,
            "createTime" | "sdkHttpResponse" | "traceId" => {
                map.skip()?;
            }
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Candidate<'a> {
    pub(super) index: Field<'a>,
    pub(super) content: Option<Content<'a>>,
    pub(super) finish_reason: Field<'a>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Candidate<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "index" => self.index = map.field()?,
            "content" => json::object(map, &mut self.content)?,
            "finishReason" | "finish_reason" => self.finish_reason = map.field()?,
            "logprobsResult" => map.skip()?,
            "avgLogprobs" | "tokenCount" => map.skip()?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Content<'a> {
    pub(super) role: Field<'a>,
    pub(super) text: Field<'a>,
    pub(super) parts: Option<List<Part<'a>, MAX_PARTS>>,
}

impl<'de> Members<'de> for Content<'de> {
    /// A content that is no object is its text.
    fn stray(text: Field<'de>) -> Option<Self> {
        Some(Self {
            text: text.into_text(),
            ..Self::default()
        })
    }

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "role" => self.role = map.field()?,
            "parts" => text_or_list(map, &mut self.text, &mut self.parts)?,
            // A part that stands where its content should.
            "text" => self.text = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Part<'a> {
    pub(super) text: Field<'a>,
    pub(super) thought: Field<'a>,
    pub(super) call: Option<Function<'a>>,
    pub(super) result: Option<Function<'a>>,
    /// It is long: it stands with the rest only where something else stands there before it.
    pub(super) signature: Option<Cow<'a, str>>,
    pub(super) rest: Rest<'a>,
    marks: Marks,
}

impl<'de> Members<'de> for Part<'de> {
    /// A part that is no object is its text.
    fn stray(text: Field<'de>) -> Option<Self> {
        Some(Self {
            text: text.into_text(),
            ..Self::default()
        })
    }

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "text" => self.text = map.field()?,
            "thought" => self.thought = map.field()?,
            "functionCall" | "function_call" => json::object(map, &mut self.call)?,
            "functionResponse" | "function_response" => json::object(map, &mut self.result)?,
            "thoughtSignature" | "thought_signature" if self.takes_signature(map)? => {
                if let Field::Text(signature) = map.field()? {
                    self.signature = Some(signature);
                }
            }
            _ => {
                self.marks.name(&spelt(&key));
                let source = map.seen(&mut self.marks)?;
                if source.get() != "null" {
                    self.rest.push((key, source));
                }
            }
        }
        Ok(())
    }
}

impl Part<'_> {
    fn takes_signature(&self, map: &mut Source<'_>) -> Result<bool, Fault> {
        Ok(self.signature.is_none() && self.rest.is_empty() && map.is_text()?)
    }

    /// Whether it has nothing but a text.
    pub(super) fn is_plain(&self) -> bool {
        self.rest.is_empty()
            && self.signature.is_none()
            && self.call.is_none()
            && self.result.is_none()
    }

    /// The same unparsed, where there is neither text nor a call nor media in the part.
    pub(super) fn take_kept(&mut self) -> Option<BTreeMap<String, Kept>> {
        let is_said = self.call.is_some() || matches!(self.text, Field::Text(_));
        let is_media =
            |(key, _): &(Cow<'_, str>, _)| matches!(spelt(key).as_str(), "inlineData" | "fileData");
        let is_url = |signature: &Cow<'_, str>| signature.starts_with("data:");
        let may_be_media = self.marks.may_be_media() || self.signature.as_ref().is_some_and(is_url);
        if is_said || may_be_media || self.rest.iter().any(is_media) {
            return None;
        }
        let rest = std::mem::take(&mut self.rest).into_iter();
        let mut kept: BTreeMap<_, _> = rest
            .map(|(key, source)| (spelt(&key), Kept::new(source)))
            .collect();
        if let Some(signature) = self.signature.take() {
            let signature = || Value::from(signature.into_owned()).into();
            kept.entry("thoughtSignature".to_owned())
                .or_insert_with(signature);
        }
        Some(kept)
    }

    /// Takes the members that have no place of their own.
    pub(super) fn take_rest(&mut self) -> Map<String, Value> {
        let mut rest = members(std::mem::take(&mut self.rest));
        if let Some(signature) = self.signature.take() {
            let signature = || signature.into_owned().into();
            rest.entry("thoughtSignature").or_insert_with(signature);
        }
        rest
    }
}

/// A call of a function, or what it gave.
#[derive(Default)]
pub(super) struct Function<'a> {
    pub(super) id: Field<'a>,
    pub(super) name: Field<'a>,
    pub(super) args: Option<Raw<'a>>,
    pub(super) response: Option<Raw<'a>>,
    /// The media among what it gave.
    pub(super) parts: Option<Raw<'a>>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Function<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "id" => self.id = map.field()?,
            "name" => self.name = map.field()?,
            "args" => self.args = stated(map)?,
            "response" => self.response = stated(map)?,
            "parts" => self.parts = stated(map)?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// Members by their names on the wire, in the spelling of Google's own documents.
pub(super) fn members(rest: Rest<'_>) -> Map<String, Value> {
    // Almost always there are none.
    if rest.is_empty() {
        return Map::new();
    }
    rest.into_iter()
        .map(|(key, source)| (spelt(&key), json::parsed(source)))
        .collect()
}

/// `inline_data` as `inlineData`: some clients send back in one spelling what they got in the other.
pub(super) fn spelt(key: &str) -> String {
    let mut spelt = String::with_capacity(key.len());
    let mut is_next_upper = false;
    for letter in key.chars() {
        match letter {
            '_' if !spelt.is_empty() => is_next_upper = true,
            _ if is_next_upper => {
                spelt.extend(letter.to_uppercase());
                is_next_upper = false;
            }
            _ => spelt.push(letter),
        }
    }
    spelt
}
