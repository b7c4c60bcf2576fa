//! What stands on the wire: request, response, event and item, read leniently.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::part::{Part, Parts};
use crate::decode::{
    json::{self, Fault, Field, List, Members, Raw, Source, stated, text_or_list},
    limits::MAX_MESSAGES,
};

pub(super) use crate::decode::json::members;

/// Members that have no place of their own, as source.
pub(super) type Rest<'a> = Vec<(Cow<'a, str>, Raw<'a>)>;

/// What is said, by either side, in order.
pub(super) type Items<'a> = List<Item<'a>, MAX_MESSAGES>;

#[derive(Default)]
pub(super) struct Request<'a> {
    pub(super) model: Field<'a>,
    pub(super) stream: Field<'a>,
    pub(super) store: Field<'a>,
    pub(super) instructions: Field<'a>,
    pub(super) instruction_items: Option<Items<'a>>,
    pub(super) input: Field<'a>,
    pub(super) items: Option<Items<'a>>,
    pub(super) tools: Option<Raw<'a>>,
    /// What the input goes on from.
    pub(super) context: Rest<'a>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "stream" => self.stream = map.field()?,
            "store" => self.store = map.field()?,
            "instructions" => {
                text_or_list(map, &mut self.instructions, &mut self.instruction_items)?;
            }
            "input" => text_or_list(map, &mut self.input, &mut self.items)?,
            "tools" => self.tools = stated(map)?,
            "previous_response_id" | "conversation" | "prompt" => {
                self.context.extend(stated(map)?.map(|value| (key, value)));
            }
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// What a response says again of its request, and when it was.
const ECHOED: [&str; 27] = [
    "billing",
    "completed_at",
    "created_at",
    "frequency_penalty",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "output_text",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "seed",
    "store",
    "stream",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// A whole response, or what an event says of it.
#[derive(Default)]
pub(super) struct Response<'a> {
    pub(super) id: Field<'a>,
    pub(super) object: Field<'a>,
    pub(super) model: Field<'a>,
    pub(super) status: Field<'a>,
    pub(super) output: Option<Items<'a>>,
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
    /// Words about the whole response that are none of the request.
    pub(super) vendor: Rest<'a>,
}

impl<'de> Members<'de> for Response<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "id" => self.id = map.field()?,
            "object" => self.object = map.field()?,
            "model" => self.model = map.field()?,
            "status" => self.status = map.field()?,
            "output" => json::list(map, &mut self.output)?,
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            key if ECHOED.contains(&key) => map.skip()?,
            _ => {
                let said =
                    stated(map)?.filter(|value| !["false", "[]", "{}"].contains(&value.get()));
                self.vendor.extend(said.map(|value| (key, value)));
            }
        }
        Ok(())
    }
}

impl Response<'_> {
    /// Whether it is a response at all.
    pub(super) fn is_stated(&self) -> bool {
        let is_named = matches!(&self.object, Field::Text(name) if name.starts_with("response"));
        is_named || self.output.is_some() || self.error.is_some()
    }
}

/// One event of a stream.
#[derive(Default)]
pub(super) struct Event<'a> {
    pub(super) kind: Field<'a>,
    pub(super) response: Option<Response<'a>>,
    pub(super) output_index: Field<'a>,
    pub(super) item: Option<Raw<'a>>,
    pub(super) delta: Field<'a>,
    pub(super) annotation: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Event<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" => self.kind = map.field()?,
            "response" => json::object(map, &mut self.response)?,
            "output_index" => self.output_index = map.field()?,
            "item" => self.item = stated(map)?,
            "delta" => self.delta = map.field()?,
            "annotation" => self.annotation = stated(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// An item of the input or the output: a message, a call, a result or a thought.
#[derive(Default)]
pub(super) struct Item<'a> {
    pub(super) kind: Field<'a>,
    pub(super) role: Field<'a>,
    pub(super) content: Field<'a>,
    pub(super) parts: Option<Parts<'a>>,
    pub(super) call_id: Field<'a>,
    pub(super) name: Field<'a>,
    pub(super) arguments: Option<Raw<'a>>,
    pub(super) input: Option<Raw<'a>>,
    pub(super) output: Option<Raw<'a>>,
    pub(super) summary: Option<Raw<'a>>,
    pub(super) rest: Rest<'a>,
}

impl<'de> Members<'de> for Item<'de> {
    /// An item that is no object is a message that says it.
    fn stray(content: Field<'de>) -> Option<Self> {
        Some(Self {
            content: content.into_text(),
            ..Self::default()
        })
    }

    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" => self.kind = map.field()?,
            "role" => self.role = map.field()?,
            "content" => text_or_list(map, &mut self.content, &mut self.parts)?,
            "call_id" => self.call_id = map.field()?,
            "name" => self.name = map.field()?,
            "arguments" => self.arguments = stated(map)?,
            "input" => self.input = stated(map)?,
            "output" => self.output = stated(map)?,
            "summary" => self.summary = stated(map)?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

impl Item<'_> {
    pub(super) fn kind(&self) -> &str {
        match &self.kind {
            Field::Text(kind) if !kind.is_empty() => kind,
            _ => "message",
        }
    }

    /// What the item says besides, with its kind.
    pub(super) fn besides(self) -> Map<String, Value> {
        let kind = self.kind().to_owned();
        let mut members = members(self.rest);
        members.insert("type".to_owned(), kind.into());
        members
    }

    /// The whole item as it was sent.
    pub(super) fn whole(mut self) -> Map<String, Value> {
        let mut fields = Map::new();
        for (key, field) in [
            ("role", std::mem::take(&mut self.role)),
            ("content", std::mem::take(&mut self.content)),
            ("call_id", std::mem::take(&mut self.call_id)),
            ("name", std::mem::take(&mut self.name)),
        ] {
            match field {
                Field::Null => {}
                Field::Text(text) => drop(fields.insert(key.to_owned(), text.into())),
                Field::Other(value) => drop(fields.insert(key.to_owned(), value)),
            }
        }
        if let Some(parts) = self.parts.take() {
            let parts = parts.items.into_iter().map(Part::whole);
            fields.insert("content".to_owned(), parts.collect());
        }
        for (key, source) in [
            ("arguments", self.arguments),
            ("input", self.input),
            ("output", self.output),
            ("summary", self.summary),
        ] {
            if let Some(source) = source {
                fields.insert(key.to_owned(), json::parsed(source));
            }
        }
        fields.append(&mut self.besides());
        fields
    }
}

/// The string that was sent, or the source of what else was sent.
pub(super) fn text(source: Option<Raw<'_>>) -> String {
    let Some(source) = source else {
        return String::new();
    };
    match (json::plain(source), source.get()) {
        (Some(plain), _) => plain.to_owned(),
        (None, source) if source.starts_with('"') => json::read(source).unwrap_or_default(),
        (None, source) => source.to_owned(),
    }
}
