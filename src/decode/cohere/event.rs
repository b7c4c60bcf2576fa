//! One event of a stream of either version.

use std::borrow::Cow;

use super::Calls;
use crate::decode::{
    json::{self, Fault, Field, Members, Raw, Source, stated},
    openai_chat::wire,
};

#[derive(Default)]
pub(super) struct Event<'a> {
    /// Its kind, which the first version calls `event_type`.
    pub(super) kind: Field<'a>,
    pub(super) id: Field<'a>,
    pub(super) index: Option<i64>,
    pub(super) text: Field<'a>,
    pub(super) delta: Option<Delta<'a>>,
    pub(super) finish_reason: Field<'a>,
    pub(super) calls: Option<Calls<'a>>,
    pub(super) call_delta: Option<CallDelta<'a>>,
    /// What is said again in the end.
    pub(super) response: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
    pub(super) message: Field<'a>,
    /// What the answer relies on.
    pub(super) vendor: wire::Rest<'a>,
}

impl<'de> Members<'de> for Event<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" | "event_type" => self.kind = map.field()?,
            "id" | "generation_id" => self.id = map.field()?,
            "index" => self.index = json::count(map)?,
            "text" => self.text = map.field()?,
            "delta" => json::object(map, &mut self.delta)?,
            "finish_reason" => self.finish_reason = map.field()?,
            "tool_calls" => json::list(map, &mut self.calls)?,
            "tool_call_delta" => json::object(map, &mut self.call_delta)?,
            "response" => self.response = stated(map)?,
            "error" => self.error = stated(map)?,
            "message" => self.message = map.field()?,
            "citations" | "documents" | "search_results" | "search_queries" => {
                self.vendor.extend(stated(map)?.map(|value| (key, value)));
            }
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Delta<'a> {
    pub(super) message: Option<Piece<'a>>,
    pub(super) finish_reason: Field<'a>,
    pub(super) usage: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Delta<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "message" => json::object(map, &mut self.message)?,
            "finish_reason" => self.finish_reason = map.field()?,
            "usage" => self.usage = stated(map)?,
            "error" => self.error = stated(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// A piece of a message: of its lists, one member at a time.
#[derive(Default)]
pub(super) struct Piece<'a> {
    pub(super) role: Field<'a>,
    pub(super) content: Option<Content<'a>>,
    pub(super) tool_plan: Field<'a>,
    pub(super) call: Option<wire::Call<'a>>,
    pub(super) citation: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Piece<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "role" => self.role = map.field()?,
            "content" => json::object(map, &mut self.content)?,
            "tool_plan" => self.tool_plan = map.field()?,
            "tool_calls" => json::object(map, &mut self.call)?,
            "citations" => self.citation = stated(map)?.filter(|source| source.get() != "[]"),
            _ => map.skip()?,
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Content<'a> {
    pub(super) text: Field<'a>,
    pub(super) thinking: Field<'a>,
}

impl<'de> Members<'de> for Content<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "text" => self.text = map.field()?,
            "thinking" => self.thinking = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// A piece of a call of the first version.
#[derive(Default)]
pub(super) struct CallDelta<'a> {
    pub(super) index: Option<i64>,
    pub(super) name: Field<'a>,
    pub(super) parameters: Field<'a>,
}

impl<'de> Members<'de> for CallDelta<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "index" => self.index = json::count(map)?,
            "name" => self.name = map.field()?,
            "parameters" => self.parameters = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}
