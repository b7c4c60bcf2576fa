//! The parts of a message.

use std::borrow::Cow;

use serde_json::Value;

use super::wire::{self, Rest};
use crate::decode::{
    json::{self, Fault, Field, List, Members, Raw, Source, stated},
    limits::MAX_PARTS,
    openai_chat::message,
};

pub(super) type Parts<'a> = List<Part<'a>, MAX_PARTS>;

/// A part of any kind.
#[derive(Default)]
pub(super) struct Part<'a> {
    kind: Field<'a>,
    text: Field<'a>,
    refusal: Field<'a>,
    annotations: Option<Raw<'a>>,
    rest: Rest<'a>,
}

impl<'de> Members<'de> for Part<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" => self.kind = map.field()?,
            "text" => self.text = map.field()?,
            "refusal" => self.refusal = map.field()?,
            "annotations" => self.annotations = stated(map)?.filter(|list| list.get() != "[]"),
            "logprobs" => map.skip()?,
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}

impl Part<'_> {
    /// Adds the text of the part; false where the part is no text.
    pub(super) fn say(&self, said: &mut message::Parts, joint: &str) -> bool {
        let kind = match &self.kind {
            Field::Text(kind) => kind.as_ref(),
            _ => "text",
        };
        match (kind, &self.text, &self.refusal) {
            ("text" | "input_text" | "output_text", Field::Text(text), _) => {
                if !said.text.is_empty() {
                    said.text.push_str(joint);
                }
                said.text.push_str(text);
                true
            }
            ("refusal", _, Field::Text(refusal)) => {
                said.refusal.push_str(refusal);
                true
            }
            _ => false,
        }
    }

    /// Its text, whatever its kind.
    pub(super) fn text(&self) -> &str {
        match &self.text {
            Field::Text(text) => text,
            _ => "",
        }
    }

    /// What it cites.
    pub(super) fn annotations(&self) -> Vec<Value> {
        let annotations = self.annotations.map(json::parsed);
        match annotations {
            Some(Value::Array(annotations)) => annotations,
            _ => Vec::new(),
        }
    }

    /// The whole part as it was sent.
    pub(super) fn whole(self) -> Value {
        let mut members = wire::members(self.rest);
        for (key, field) in [
            ("type", self.kind),
            ("text", self.text),
            ("refusal", self.refusal),
        ] {
            match field {
                Field::Null => {}
                Field::Text(text) => drop(members.insert(key.to_owned(), text.into())),
                Field::Other(value) => drop(members.insert(key.to_owned(), value)),
            }
        }
        if let Some(annotations) = self.annotations {
            let annotations = json::parsed(annotations);
            members.insert("annotations".to_owned(), annotations);
        }
        Value::Object(members)
    }
}
