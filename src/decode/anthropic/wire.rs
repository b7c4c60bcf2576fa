//! What stands on the wire: request, response, event, message and block, read leniently.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::begun::Begun;
use crate::decode::{
    json::{self, Fault, Field, List, Members, Raw, Source, stated, text_or_list},
    limits::{MAX_MESSAGES, MAX_PARTS},
};

pub(super) use crate::json::members;

/// Members that have no place of their own, as source.
pub(super) type Rest<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

/// What content is made of, where it is not a string.
pub(super) type Content<'a> = List<Block<'a>, MAX_PARTS>;

#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) model: Field<'a>,
    pub(super) stream: Field<'a>,
    pub(super) system: Field<'a>,
    pub(super) system_blocks: Option<Content<'a>>,
    pub(super) messages: Option<List<Message<'a>, MAX_MESSAGES>>,
    pub(super) tools: Option<Raw<'a>>,
    /// What older models take in place of messages.
    pub(super) prompt: Field<'a>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "stream" => self.stream = map.field()?,
            "system" => text_or_list(map, &mut self.system, &mut self.system_blocks)?,
            "messages" => json::list(map, &mut self.messages)?,
            "tools" => self.tools = stated(map)?,
            "prompt" => self.prompt = map.field()?,
            _ => map.skip()?,
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
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
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

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "role" => self.role = map.field()?,
            "content" => text_or_list(map, &mut self.content, &mut self.blocks)?,
            "id" => self.id = map.field()?,
            "model" => self.model = map.field()?,
            "stop_reason" => self.stop_reason = map.field()?,
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            "completion" => self.completion = map.field()?,
            "type" | "request_id" => map.skip()?,
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
    pub(super) input: Option<Raw<'a>>,
    pub(super) tool_use_id: Field<'a>,
    pub(super) content: Option<Raw<'a>>,
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

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" => self.kind = map.field()?,
            "text" => self.text = map.field()?,
            "thinking" => self.thinking = map.field()?,
            "id" => self.id = map.field()?,
            "name" => self.name = map.field()?,
            "input" => self.input = stated(map)?,
            "tool_use_id" => self.tool_use_id = map.field()?,
            "content" => self.content = stated(map)?,
            // Clients move it from call to call.
            "cache_control" => map.skip()?,
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
    pub(super) content_block: Option<Begun<'a>>,
    pub(super) message: Option<Box<Message<'a>>>,
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
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
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" => self.kind = map.field()?,
            "index" => self.index = map.field()?,
            "delta" => json::object(map, &mut self.delta)?,
            "content_block" => {
                let mut block = None;
                json::object(map, &mut block)?;
                // What is no object begins nothing.
                self.content_block = block.or(self.content_block.take());
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
                *place = map.field()?;
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
    pub(super) citation: Option<Raw<'a>>,
    pub(super) stop_reason: Field<'a>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Delta<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" => map.skip()?,
            "text" => self.text = map.field()?,
            "thinking" => self.thinking = map.field()?,
            "partial_json" => self.partial_json = map.field()?,
            "signature" => self.signature = map.field()?,
            "content" => self.content = map.field()?,
            "citation" => self.citation = stated(map)?,
            "stop_reason" => self.stop_reason = map.field()?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}
