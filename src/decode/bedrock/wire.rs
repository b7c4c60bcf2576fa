//! What stands on the wire: request, response, message, block and event, read leniently.

use std::borrow::Cow;

use crate::decode::{
    json::{self, Fault, Field, List, Members, Raw, Source, stated, text_or_list},
    limits::{MAX_MESSAGES, MAX_PARTS},
};

pub(super) use crate::json::members;

/// Members that have no place of their own, as source.
pub(super) type Rest<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

/// What content is made of.
pub(super) type Content<'a> = List<Block<'a>, MAX_PARTS>;

#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) system_text: Field<'a>,
    pub(super) system: Option<Content<'a>>,
    pub(super) messages: Option<List<Message<'a>, MAX_MESSAGES>>,
    pub(super) tool_config: Option<ToolConfig<'a>>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "system" => text_or_list(map, &mut self.system_text, &mut self.system)?,
            "messages" => json::list(map, &mut self.messages)?,
            "toolConfig" => json::object(map, &mut self.tool_config)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct ToolConfig<'a> {
    pub(super) tools: Option<Raw<'a>>,
}

impl<'de> Members<'de> for ToolConfig<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "tools" => self.tools = stated(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Message<'a> {
    pub(super) role: Field<'a>,
    pub(super) text: Field<'a>,
    pub(super) content: Option<Content<'a>>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Message<'de> {
    /// A message that is no object is what it says.
    fn stray(text: Field<'de>) -> Option<Self> {
        Some(Self {
            text: text.into_text(),
            ..Self::default()
        })
    }

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "role" => self.role = map.field()?,
            "content" => text_or_list(map, &mut self.text, &mut self.content)?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// A block of any kind: the member that it has says which.
#[derive(Default)]
pub(super) struct Block<'a> {
    pub(super) text: Field<'a>,
    pub(super) tool_use: Option<Box<ToolUse<'a>>>,
    pub(super) tool_result: Option<Box<ToolUse<'a>>>,
    pub(super) reasoning: Option<Box<Reasoning<'a>>>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Block<'de> {
    /// A block that is no object is its text.
    fn stray(text: Field<'de>) -> Option<Self> {
        Some(Self {
            text: text.into_text(),
            ..Self::default()
        })
    }

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "text" => self.text = map.field()?,
            "toolUse" => json::object(map, &mut self.tool_use)?,
            "toolResult" => json::object(map, &mut self.tool_result)?,
            "reasoningContent" => json::object(map, &mut self.reasoning)?,
            // Clients move it from call to call.
            "cachePoint" => map.skip()?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// A call of a tool, or what it gave.
#[derive(Default)]
pub(super) struct ToolUse<'a> {
    pub(super) id: Field<'a>,
    pub(super) name: Field<'a>,
    /// A document; in a stream a piece of its text.
    pub(super) input: Option<Raw<'a>>,
    pub(super) content: Option<Raw<'a>>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for ToolUse<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "toolUseId" => self.id = map.field()?,
            "name" => self.name = map.field()?,
            "input" => self.input = stated(map)?,
            "content" => self.content = stated(map)?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// What the model thinks: whole in `reasoningText`, in a stream without that around it.
#[derive(Default)]
pub(super) struct Reasoning<'a> {
    pub(super) whole: Option<Box<Reasoning<'a>>>,
    pub(super) text: Field<'a>,
    pub(super) signature: Field<'a>,
    pub(super) redacted: Field<'a>,
}

impl<'de> Members<'de> for Reasoning<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "reasoningText" => json::object(map, &mut self.whole)?,
            "text" => self.text = map.field()?,
            "signature" => self.signature = map.field()?,
            "redactedContent" | "data" => self.redacted = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// A whole response, or an event of a stream.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub(super) output: Option<Box<Output<'a>>>,
    pub(super) role: Field<'a>,
    pub(super) index: Field<'a>,
    pub(super) start: Option<Box<Block<'a>>>,
    pub(super) delta: Option<Block<'a>>,
    pub(super) stop_reason: Field<'a>,
    pub(super) usage: Option<Raw<'a>>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Response<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "output" => json::object(map, &mut self.output)?,
            "role" => self.role = map.field()?,
            "contentBlockIndex" => self.index = map.field()?,
            "start" => json::object(map, &mut self.start)?,
            "delta" => json::object(map, &mut self.delta)?,
            "stopReason" => self.stop_reason = map.field()?,
            "usage" => self.usage = stated(map)?,
            // Timings, and padding against those who measure the pieces.
            "metrics" | "p" => map.skip()?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

impl Response<'_> {
    /// Whether it says nothing beside what it starts and adds to.
    pub(super) fn is_plain(&self) -> bool {
        self.start.is_none()
            && matches!(self.stop_reason, Field::Null)
            && self.usage.is_none()
            && self.rest.is_empty()
    }
}

#[derive(Default)]
pub(super) struct Output<'a> {
    pub(super) message: Option<Message<'a>>,
}

impl<'de> Members<'de> for Output<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "message" => json::object(map, &mut self.message)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}
