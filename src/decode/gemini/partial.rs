//! A call of a function whose arguments come in pieces.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    place,
    wire::{self, Function, Part},
};
use crate::{
    conversation::ToolCall,
    decode::{
        blocks::Blocks,
        estimate,
        json::{self, Field},
        tally::Tally,
    },
};

/// A call so far.
///
/// A piece names its place by a path (`$.stops[0].name`) and has a value of its own; a text that was to go on
/// goes on in the next piece of the same path. A piece in any other form stands in `other["tool_calls"]`.
#[derive(Default)]
pub(super) struct Partial {
    call: ToolCall,
    arguments: Value,
    /// The paths of the texts that go on.
    open: BTreeSet<String>,
    more: Map<String, Value>,
    odd: Vec<Value>,
}

impl Partial {
    /// Whether the arguments of a call come in pieces.
    pub(super) fn is_of(call: &Function<'_>) -> bool {
        call.rest
            .iter()
            .any(|(key, _)| is_pieces(key) || is_going_on(key))
    }

    /// Whether this is a piece of the call.
    pub(super) fn goes_on_with(&self, call: &Function<'_>) -> bool {
        let name = match &call.name {
            Field::Text(name) => name.as_ref(),
            _ => "",
        };
        match (&call.id, &self.call.id) {
            (Field::Text(id), Some(known)) if !id.is_empty() => {
                id == known && (name.is_empty() || name == self.call.name)
            }
            _ => name.is_empty(),
        }
    }

    /// Adds a piece, and to the tally what that takes in memory; true where the call is to go on.
    pub(super) fn add(
        &mut self,
        call: Function<'_>,
        mut part: Part<'_>,
        tally: &mut Tally,
    ) -> bool {
        let mut goes_on = false;
        if let Some(id) = call.id.text() {
            self.call.id = Some(id.into_owned());
        }
        if let Some(name) = call.name.text() {
            self.call.name = name.into_owned();
        }
        if let Some(args) = call.args {
            let args = json::parsed(args);
            let says_nothing = args.as_object().is_some_and(Map::is_empty);
            if !says_nothing || self.arguments.is_null() {
                self.arguments = args;
            }
        }
        for (key, source) in call.rest {
            let value = json::parsed(source);
            if is_going_on(&key) {
                goes_on = value == Value::Bool(true);
                continue;
            }
            tally.held += estimate::OBJECT_BYTES + estimate::value(&value);
            match value {
                Value::Array(pieces) if is_pieces(&key) => {
                    for piece in pieces {
                        self.piece(piece, tally);
                    }
                }
                value if is_pieces(&key) => self.odd.push(value),
                value => drop(self.more.insert(wire::spelt(&key), value)),
            }
        }
        self.more.extend(part.take_rest());
        goes_on
    }

    fn piece(&mut self, mut piece: Value, tally: &mut Tally) {
        if self.set(&mut piece, tally).is_none() {
            self.odd.push(piece);
        }
    }

    /// Sets what a piece says; `None`, and the piece is as it was, where it is in no known form or there is no
    /// place for it.
    fn set(&mut self, piece: &mut Value, tally: &mut Tally) -> Option<()> {
        let path = ["jsonPath", "json_path"]
            .iter()
            .find_map(|key| piece.get(key)?.as_str());
        let path = path?.to_owned();
        let goes_on = ["willContinue", "will_continue"]
            .iter()
            .any(|key| piece.get(key) == Some(&Value::Bool(true)));
        let key = value_key(piece)?;
        let place = place::of(&path, &mut self.arguments, tally)?;
        let value = match key {
            "nullValue" | "null_value" => Value::Null,
            key => piece.get_mut(key)?.take(),
        };
        match (place, value) {
            (Value::String(text), Value::String(more)) if self.open.contains(&path) => {
                text.push_str(&more);
            }
            (place, value) => *place = value,
        }
        match goes_on {
            true => self.open.insert(path),
            false => self.open.remove(&path),
        };
        Some(())
    }

    /// Adds the call to the others; false where there is no room for it.
    pub(super) fn finish(self, gathered: &mut Blocks) -> bool {
        let Self {
            mut call,
            arguments,
            open: _,
            mut more,
            odd,
        } = self;
        if !odd.is_empty() {
            more.insert("partialArgs".to_owned(), odd.into());
        }
        call.kind = "function_call".to_owned();
        call.arguments = match arguments {
            Value::Null => "{}".to_owned(),
            arguments => arguments.to_string(),
        };
        gathered.call(call, more)
    }
}

fn is_pieces(key: &str) -> bool {
    matches!(key, "partialArgs" | "partial_args")
}

fn is_going_on(key: &str) -> bool {
    matches!(key, "willContinue" | "will_continue")
}

/// The member of a piece that is its value.
fn value_key(piece: &Value) -> Option<&'static str> {
    let keys = [
        "nullValue",
        "null_value",
        "stringValue",
        "numberValue",
        "boolValue",
        "string_value",
        "number_value",
        "bool_value",
    ];
    let is_value = |value: &Value| !value.is_object() && !value.is_array();
    keys.into_iter()
        .find(|key| piece.get(*key).is_some_and(is_value))
}

#[cfg(test)]
mod tests;
