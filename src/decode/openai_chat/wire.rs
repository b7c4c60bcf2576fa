//! What stands on the wire: request, response, chunk, choice, message and call, read leniently.

use std::borrow::Cow;

use super::{MAX_CHOICES, MAX_MESSAGES, MAX_PARTS, MAX_TOOL_CALLS};
use crate::decode::{
    estimate,
    json::{self, Fault, Field, List, Members, Raw, Source, stated},
};

/// Members that have no place of their own, as source.
pub(in crate::decode) type Rest<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) model: Field<'a>,
    pub(super) stream: Field<'a>,
    pub(super) messages: Option<List<Message<'a>, MAX_MESSAGES>>,
    pub(super) tools: Option<Raw<'a>>,
    /// The deprecated spelling of `tools`.
    pub(super) functions: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "stream" => self.stream = map.field()?,
            "messages" => json::list(map, &mut self.messages)?,
            "tools" => self.tools = stated(map)?,
            "functions" => self.functions = stated(map)?,
            _ => map.skip()?,
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
    pub(super) usage: Option<Raw<'a>>,
    pub(super) x_groq: Option<XGroq<'a>>,
    pub(super) error: Option<Raw<'a>>,
    /// The vendor's words about the whole response.
    pub(super) vendor: Rest<'a>,
}

impl<'de> Members<'de> for Response<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "id" => self.id = map.field()?,
            "model" => self.model = map.field()?,
            "provider" => self.provider = map.field()?,
            "choices" => json::list(map, &mut self.choices)?,
            "usage" => self.usage = stated(map)?,
            "x_groq" => json::object(map, &mut self.x_groq)?,
            "error" => self.error = stated(map)?,
            "created" | "object" | "obfuscation" | "prompt_logprobs" | "prompt_token_ids" => {
                map.skip()?;
            }
            _ => self.vendor.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// Groq's own place for the usage of a stream.
#[derive(Default)]
pub(super) struct XGroq<'a> {
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
}

impl<'de> Members<'de> for XGroq<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            _ => map.skip()?,
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
    pub(super) stop_reason: Option<Raw<'a>>,
    /// Where Moonshot has the usage of a stream.
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Choice<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "index" => self.index = map.field()?,
            "delta" => json::object(map, &mut self.delta)?,
            "message" => json::object(map, &mut self.message)?,
            "text" => self.text = map.field()?,
            "finish_reason" => self.finish_reason = map.field()?,
            "stop_reason" => self.stop_reason = stated(map)?,
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            "logprobs" | "log_probs" | "token_ids" | "prompt_token_ids" => {
                map.skip()?;
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
    pub(super) tool_calls: Option<List<Call<'a>, MAX_TOOL_CALLS>>,
    pub(super) rare: Option<Box<Rare<'a>>>,
    pub(super) rest: Rest<'a>,
}

/// What most messages do not say: a long history would be mostly room for it.
#[derive(Default)]
pub(in crate::decode) struct Rare<'a> {
    pub(super) reasoning_content: Field<'a>,
    pub(super) reasoning: Field<'a>,
    pub(super) thinking: Field<'a>,
    pub(super) refusal: Field<'a>,
    pub(super) function_call: Option<Function<'a>>,
    pub(super) tool_call_id: Field<'a>,
}

impl<'de> Members<'de> for Rare<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        let place = match key.as_ref() {
            "reasoning_content" => &mut self.reasoning_content,
            "reasoning" => &mut self.reasoning,
            "thinking" => &mut self.thinking,
            "refusal" => &mut self.refusal,
            "function_call" => return json::object(map, &mut self.function_call),
            "tool_call_id" => &mut self.tool_call_id,
            _ => return map.skip(),
        };
        *place = map.field()?;
        Ok(())
    }
}

impl<'de> Members<'de> for Message<'de> {
    /// A message that is no object is what it says.
    fn stray(value: Field<'de>) -> Option<Self> {
        Some(Self {
            content: value,
            ..Self::default()
        })
    }

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "role" => self.role = map.field()?,
            "content" => self.is_cut = json::field(map, &mut self.content, MAX_PARTS)?,
            "tool_calls" => json::list(map, &mut self.tool_calls)?,
            "reasoning_content" | "reasoning" | "thinking" | "refusal" | "function_call"
            | "tool_call_id" => {
                // Many say null.
                if self.rare.is_some() || !map.is_null()? {
                    self.rare.get_or_insert_default().member(key, map)?;
                }
            }
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
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "index" => self.index = map.field()?,
            "id" => self.id = map.field()?,
            "type" => self.kind = map.field()?,
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
    pub(in crate::decode) arguments: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Function<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "name" => self.name = map.field()?,
            "arguments" | "input" => self.arguments = stated(map)?.or(self.arguments),
            _ => map.skip()?,
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
