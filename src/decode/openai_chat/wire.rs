//! What stands on the wire: request, response, chunk, choice, message and call, read leniently.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{MAX_CHOICES, MAX_MESSAGES, MAX_PARTS, MAX_TOOL_CALLS};
use crate::decode::{
    estimate,
    json::{self, Access, Field, List, Members, stated},
};

/// Members that have no place of their own, as source.
pub(in crate::decode) type Rest<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) model: Field<'a>,
    pub(super) stream: Field<'a>,
    pub(super) messages: Option<List<Message<'a>, MAX_MESSAGES>>,
    pub(super) tools: Option<&'a RawValue>,
    /// The deprecated spelling of `tools`.
    pub(super) functions: Option<&'a RawValue>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "model" => self.model = map.next_value()?,
            "stream" => self.stream = map.next_value()?,
            "messages" => json::list(map, &mut self.messages)?,
            "tools" => self.tools = stated(map)?,
            "functions" => self.functions = stated(map)?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// A whole response, or one chunk of a stream: they differ only in that a choice has a `delta`.
///
/// Of the members around the choices `created`, `object`, `obfuscation` and the tokens of the prompt are noise.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub(super) id: Field<'a>,
    pub(super) model: Field<'a>,
    pub(super) provider: Field<'a>,
    pub(super) choices: Option<List<Choice<'a>, MAX_CHOICES>>,
    pub(super) usage: Option<&'a RawValue>,
    pub(super) x_groq: Option<XGroq<'a>>,
    pub(super) error: Option<&'a RawValue>,
    /// The vendor's words about the whole response.
    pub(super) vendor: Rest<'a>,
}

impl<'de> Members<'de> for Response<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "id" => self.id = map.next_value()?,
            "model" => self.model = map.next_value()?,
            "provider" => self.provider = map.next_value()?,
            "choices" => json::list(map, &mut self.choices)?,
            "usage" => self.usage = stated(map)?,
            "x_groq" => json::object(map, &mut self.x_groq)?,
            "error" => self.error = stated(map)?,
            "created" | "object" | "obfuscation" | "prompt_logprobs" | "prompt_token_ids" => {
                map.next_value::<IgnoredAny>()?;
            }
            _ => self.vendor.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// Groq's own place for the usage of a stream.
#[derive(Default)]
pub(super) struct XGroq<'a> {
    pub(super) usage: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
}

impl<'de> Members<'de> for XGroq<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Choice<'a> {
    pub(super) index: Field<'a>,
    pub(super) delta: Option<Message<'a>>,
    pub(super) message: Option<Box<Message<'a>>>,
    /// What older models complete a text with.
    pub(super) text: Field<'a>,
    pub(super) finish_reason: Field<'a>,
    /// What some say in place of a finish reason, and others beside it.
    pub(super) stop_reason: Option<&'a RawValue>,
    /// Where Moonshot has the usage of a stream.
    pub(super) usage: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Choice<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "index" => self.index = map.next_value()?,
            "delta" => json::object(map, &mut self.delta)?,
            "message" => json::object(map, &mut self.message)?,
            "text" => self.text = map.next_value()?,
            "finish_reason" => self.finish_reason = map.next_value()?,
            "stop_reason" => self.stop_reason = stated(map)?,
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            "logprobs" | "log_probs" | "token_ids" | "prompt_token_ids" => {
                map.next_value::<IgnoredAny>()?;
            }
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

impl<'a> Choice<'a> {
    /// Why it ended. A `stop_reason` beside the finish reason stays with what has no place of its own.
    pub(super) fn ended(&mut self) -> Option<String> {
        let stop = self.stop_reason.take();
        let reason = std::mem::take(&mut self.finish_reason).text();
        let reason = reason.map(Cow::into_owned);
        match (reason, stop) {
            (None, Some(stop)) if stop.get().starts_with('"') => json::read(stop.get()),
            (reason, Some(stop)) => {
                self.rest.push(("stop_reason".into(), stop));
                reason
            }
            (reason, None) => reason,
        }
    }

    /// The text of a completion as a message.
    pub(super) fn completed(&mut self) -> Option<Message<'a>> {
        match std::mem::take(&mut self.text) {
            Field::Null => None,
            content => Some(Message {
                content,
                ..Message::default()
            }),
        }
    }
}

/// A message of a request or a response, or the delta of one.
#[derive(Default)]
pub(in crate::decode) struct Message<'a> {
    pub(super) role: Field<'a>,
    pub(super) content: Field<'a>,
    /// The content had more parts.
    pub(super) is_cut: bool,
    pub(super) reasoning_content: Field<'a>,
    pub(super) reasoning: Field<'a>,
    pub(super) thinking: Field<'a>,
    pub(super) refusal: Field<'a>,
    pub(super) tool_calls: Option<List<Call<'a>, MAX_TOOL_CALLS>>,
    pub(super) function_call: Option<Function<'a>>,
    pub(super) tool_call_id: Field<'a>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Message<'de> {
    /// A message that is no object is what it says.
    fn stray(value: Field<'de>) -> Option<Self> {
        Some(Self {
            content: value,
            ..Self::default()
        })
    }

    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "role" => self.role = map.next_value()?,
            "content" => self.is_cut = json::field(map, &mut self.content, MAX_PARTS)?,
            "reasoning_content" => self.reasoning_content = map.next_value()?,
            "reasoning" => self.reasoning = map.next_value()?,
            "thinking" => self.thinking = map.next_value()?,
            "refusal" => self.refusal = map.next_value()?,
            "tool_calls" => json::list(map, &mut self.tool_calls)?,
            "function_call" => json::object(map, &mut self.function_call)?,
            "tool_call_id" => self.tool_call_id = map.next_value()?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// A tool call, or the delta of one.
#[derive(Default)]
pub(in crate::decode) struct Call<'a> {
    pub(in crate::decode) index: Field<'a>,
    pub(in crate::decode) id: Field<'a>,
    pub(in crate::decode) kind: Field<'a>,
    pub(in crate::decode) function: Option<Function<'a>>,
    pub(in crate::decode) custom: Option<Function<'a>>,
    pub(in crate::decode) rest: Rest<'a>,
}

impl<'de> Members<'de> for Call<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "index" => self.index = map.next_value()?,
            "id" => self.id = map.next_value()?,
            "type" => self.kind = map.next_value()?,
            "function" => json::object(map, &mut self.function)?,
            "custom" => json::object(map, &mut self.custom)?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

impl<'a> Call<'a> {
    /// What is called: the `custom` tool only where the call is of that kind, since some providers fill in
    /// an empty one beside the function.
    pub(in crate::decode) fn called(&mut self) -> Function<'a> {
        let is_custom = matches!(&self.kind, Field::Text(kind) if kind == "custom");
        let (first, second) = match is_custom {
            true => (&mut self.custom, &mut self.function),
            false => (&mut self.function, &mut self.custom),
        };
        first.take().or_else(|| second.take()).unwrap_or_default()
    }
}

/// The `function` of a call, or its `custom` tool, whose arguments are called `input`.
#[derive(Default)]
pub(in crate::decode) struct Function<'a> {
    pub(in crate::decode) name: Field<'a>,
    pub(in crate::decode) arguments: Option<&'a RawValue>,
}

impl<'de> Members<'de> for Function<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "name" => self.name = map.next_value()?,
            "arguments" | "input" => self.arguments = stated(map)?.or(self.arguments),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl Function<'_> {
    /// Appends the arguments: the string that was sent, or the source of what else was sent. Returns what
    /// that takes in memory.
    pub(in crate::decode) fn append_arguments(&self, arguments: &mut String) -> usize {
        let Some(source) = self.arguments else {
            return 0;
        };
        match (json::plain(source), source.get()) {
            (Some(plain), _) => arguments.push_str(plain),
            (None, source) if source.starts_with('"') => {
                arguments.push_str(&json::read::<String>(source).unwrap_or_default());
            }
            (None, source) => arguments.push_str(source),
        }
        estimate::text(source.get())
    }
}
