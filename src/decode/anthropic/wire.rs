//! What stands on the wire: request, response, event, message and block, read leniently.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::{Map, Value, value::RawValue};

use crate::decode::{
    json::{self, Access, Field, List, Members, stated, text_or_list},
    limits::{MAX_MESSAGES, MAX_PARTS},
};

pub(super) use crate::decode::json::members;

/// Members that have no place of their own, as source.
pub(super) type Rest<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// What content is made of, where it is not a string.
pub(super) type Content<'a> = List<Block<'a>, MAX_PARTS>;

#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) model: Field<'a>,
    pub(super) stream: Field<'a>,
    pub(super) system: Field<'a>,
    pub(super) system_blocks: Option<Content<'a>>,
    pub(super) messages: Option<List<Message<'a>, MAX_MESSAGES>>,
    pub(super) tools: Option<&'a RawValue>,
    /// What older models take in place of messages.
    pub(super) prompt: Field<'a>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "model" => self.model = map.next_value()?,
            "stream" => self.stream = map.next_value()?,
            "system" => text_or_list(map, &mut self.system, &mut self.system_blocks)?,
            "messages" => json::list(map, &mut self.messages)?,
            "tools" => self.tools = stated(map)?,
            "prompt" => self.prompt = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// A message of a request, or the whole response.
#[derive(Default)]
pub(super) struct Message<'a> {
    pub(super) id: Field<'a>,
    pub(super) model: Field<'a>,
    pub(super) role: Field<'a>,
    pub(super) content: Field<'a>,
    pub(super) blocks: Option<Content<'a>>,
    pub(super) stop_reason: Field<'a>,
    pub(super) usage: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    /// What older models answer in place of content.
    pub(super) completion: Field<'a>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Message<'de> {
    /// A message that is no object is what it says.
    fn stray(content: Field<'de>) -> Option<Self> {
        Some(Self {
            content,
            ..Self::default()
        })
    }

    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "role" => self.role = map.next_value()?,
            "content" => text_or_list(map, &mut self.content, &mut self.blocks)?,
            "id" => self.id = map.next_value()?,
            "model" => self.model = map.next_value()?,
            "stop_reason" => self.stop_reason = map.next_value()?,
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            "completion" => self.completion = map.next_value()?,
            "type" | "request_id" => drop(map.next_value::<IgnoredAny>()?),
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// A block of any kind.
#[derive(Default)]
pub(super) struct Block<'a> {
    pub(super) kind: Field<'a>,
    pub(super) text: Field<'a>,
    pub(super) thinking: Field<'a>,
    pub(super) id: Field<'a>,
    pub(super) name: Field<'a>,
    pub(super) input: Option<&'a RawValue>,
    pub(super) tool_use_id: Field<'a>,
    pub(super) content: Option<&'a RawValue>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Block<'de> {
    /// A block that is no object is its text.
    fn stray(text: Field<'de>) -> Option<Self> {
        Some(Self {
            text,
            ..Self::default()
        })
    }

    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "type" => self.kind = map.next_value()?,
            "text" => self.text = map.next_value()?,
            "thinking" => self.thinking = map.next_value()?,
            "id" => self.id = map.next_value()?,
            "name" => self.name = map.next_value()?,
            "input" => self.input = stated(map)?,
            "tool_use_id" => self.tool_use_id = map.next_value()?,
            "content" => self.content = stated(map)?,
            // Clients move it from call to call.
            "cache_control" => drop(map.next_value::<IgnoredAny>()?),
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

impl Block<'_> {
    pub(super) fn kind(&self) -> &str {
        match &self.kind {
            Field::Text(kind) => kind,
            _ => "",
        }
    }

    /// The whole block as it was sent.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.into_members())
    }

    /// The members of the whole block.
    pub(super) fn into_members(self) -> Map<String, Value> {
        let mut members = members(self.rest);
        for (key, field) in [
            ("type", self.kind),
            ("text", self.text),
            ("thinking", self.thinking),
            ("id", self.id),
            ("name", self.name),
            ("tool_use_id", self.tool_use_id),
        ] {
            match field {
                Field::Null => {}
                Field::Text(text) => drop(members.insert(key.to_owned(), text.into())),
                Field::Other(value) => drop(members.insert(key.to_owned(), value)),
            }
        }
        for (key, source) in [("input", self.input), ("content", self.content)] {
            if let Some(source) = source {
                members.insert(key.to_owned(), json::parsed(source));
            }
        }
        members
    }
}

/// An event of a stream.
#[derive(Default)]
pub(super) struct Event<'a> {
    pub(super) kind: Field<'a>,
    pub(super) index: Field<'a>,
    pub(super) delta: Option<Delta<'a>>,
    pub(super) content_block: Option<Map<String, Value>>,
    pub(super) message: Option<Box<Message<'a>>>,
    pub(super) usage: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) older: Option<Box<Older<'a>>>,
    pub(super) rest: Rest<'a>,
}

/// What an event of older models says.
#[derive(Default)]
pub(super) struct Older<'a> {
    pub(super) completion: Field<'a>,
    pub(super) stop_reason: Field<'a>,
    pub(super) id: Field<'a>,
    pub(super) model: Field<'a>,
}

impl<'de> Members<'de> for Event<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "type" => self.kind = map.next_value()?,
            "index" => self.index = map.next_value()?,
            "delta" => json::object(map, &mut self.delta)?,
            "content_block" => {
                let mut block = Field::Null;
                json::field(map, &mut block, usize::MAX)?;
                if let Field::Other(Value::Object(block)) = block {
                    self.content_block = Some(block);
                }
            }
            "message" => json::object(map, &mut self.message)?,
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            "completion" | "stop_reason" | "id" | "model" => {
                let older = self.older.get_or_insert_default();
                let place = match key.as_ref() {
                    "completion" => &mut older.completion,
                    "stop_reason" => &mut older.stop_reason,
                    "id" => &mut older.id,
                    _ => &mut older.model,
                };
                *place = map.next_value()?;
            }
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

/// What an event adds to a block or to the message.
#[derive(Default)]
pub(super) struct Delta<'a> {
    pub(super) text: Field<'a>,
    pub(super) thinking: Field<'a>,
    pub(super) partial_json: Field<'a>,
    pub(super) signature: Field<'a>,
    /// A compaction's summary.
    pub(super) content: Field<'a>,
    pub(super) citation: Option<&'a RawValue>,
    pub(super) stop_reason: Field<'a>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Delta<'de> {
    fn member<A: Access<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match key.as_ref() {
            "type" => drop(map.next_value::<IgnoredAny>()?),
            "text" => self.text = map.next_value()?,
            "thinking" => self.thinking = map.next_value()?,
            "partial_json" => self.partial_json = map.next_value()?,
            "signature" => self.signature = map.next_value()?,
            "content" => self.content = map.next_value()?,
            "citation" => self.citation = stated(map)?,
            "stop_reason" => self.stop_reason = map.next_value()?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}
