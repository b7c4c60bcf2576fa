//! A call of a function whose arguments come in pieces.

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
    /// The path of the text that goes on.
    open: String,
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
        let is_named = matches!(&call.name, Field::Text(name) if !name.is_empty());
        match (&call.id, &self.call.id) {
            (Field::Text(id), Some(known)) if !id.is_empty() => !is_named && id == known,
            _ => !is_named,
        }
    }

    /// Adds a piece, and to `held` what that takes in memory; true where the call is to go on.
    pub(super) fn add(&mut self, call: Function<'_>, part: Part<'_>, held: &mut usize) -> bool {
        let mut goes_on = false;
        if let Some(id) = call.id.text() {
            self.call.id = Some(id.into_owned());
        }
        if let Some(name) = call.name.text() {
            self.call.name = name.into_owned();
        }
        if let Some(args) = call.args {
            self.arguments = json::parsed(args);
        }
        for (key, source) in call.rest {
            let value = json::parsed(source);
            if is_going_on(&key) {
                goes_on = value == Value::Bool(true);
                continue;
            }
            *held += estimate::OBJECT_BYTES + estimate::value(&value);
            match value {
                Value::Array(pieces) if is_pieces(&key) => {
                    pieces.into_iter().for_each(|piece| self.piece(piece));
                }
                value => drop(self.more.insert(wire::spelt(&key), value)),
            }
        }
        self.more.extend(wire::members(part.rest));
        goes_on
    }

    fn piece(&mut self, mut piece: Value) {
        if self.set(&mut piece).is_none() {
            self.odd.push(piece);
        }
    }

    /// Sets what a piece says; `None` where it is in no known form.
    fn set(&mut self, piece: &mut Value) -> Option<()> {
        let path = ["jsonPath", "json_path"]
            .iter()
            .find_map(|key| piece.get(key)?.as_str());
        let path = path?.to_owned();
        let goes_on = ["willContinue", "will_continue"]
            .iter()
            .any(|key| piece.get(key) == Some(&Value::Bool(true)));
        let value = value(piece)?;
        let place = place::of(&path, &mut self.arguments)?;
        match (place, value) {
            (Value::String(text), Value::String(more)) if self.open == path => text.push_str(&more),
            (place, value) => *place = value,
        }
        self.open = match goes_on {
            true => path,
            false => String::new(),
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

/// The value of a piece.
fn value(piece: &mut Value) -> Option<Value> {
    let members = piece.as_object_mut()?;
    if members.contains_key("nullValue") || members.contains_key("null_value") {
        return Some(Value::Null);
    }
    let names = [
        "stringValue",
        "numberValue",
        "boolValue",
        "string_value",
        "number_value",
        "bool_value",
    ];
    let name = names.into_iter().find(|name| members.contains_key(*name))?;
    members.get_mut(name).map(Value::take)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decode::{Policy, gemini::reply};

    fn joined(pieces: Value) -> (Value, Vec<Value>) {
        let mut partial = Partial::default();
        let pieces = pieces.as_array().cloned().unwrap_or_default();
        pieces.into_iter().for_each(|piece| partial.piece(piece));
        (partial.arguments, partial.odd)
    }

    #[test]
    fn pieces_stand_where_their_paths_lead() {
        let (arguments, odd) = joined(json!([
            {"jsonPath": "$.city", "stringValue": "New ", "willContinue": true},
            {"jsonPath": "$.city", "stringValue": "Delhi", "willContinue": true},
            {"jsonPath": "$.city", "stringValue": ""},
            {"jsonPath": "$.days", "numberValue": 3},
            {"jsonPath": "$.stops[0]['a.b']", "boolValue": true},
            {"jsonPath": "$.stops[1][\"c\"]", "nullValue": "NULL_VALUE"},
            {"json_path": "$.city2", "string_value": "x", "will_continue": true},
        ]));
        let expected = json!({"city": "New Delhi", "days": 3, "city2": "x",
            "stops": [{"a.b": true}, {"c": null}]});
        assert_eq!((arguments, odd.len()), (expected, 0));
    }

    #[test]
    fn a_text_that_was_not_to_go_on_is_replaced() {
        let (arguments, _) = joined(json!([
            {"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": "$.a", "stringValue": "y"},
        ]));
        assert_eq!(arguments, json!({"a": "y"}));
    }

    #[test]
    fn what_has_no_single_place_or_no_value_is_kept_as_it_is() {
        let pieces = json!([
            7, {"jsonPath": "$.a"}, {"stringValue": "x"}, {"jsonPath": "a", "stringValue": "x"},
            {"jsonPath": "$..a", "stringValue": "x"}, {"jsonPath": "$.*", "stringValue": "x"},
            {"jsonPath": "$[1000000000]", "stringValue": "x"}, {"jsonPath": "$['a\\'b']", "stringValue": "x"},
            {"jsonPath": "$.b".repeat(101), "stringValue": "x"}, {"jsonPath": "$[0", "stringValue": "x"},
        ]);
        let (arguments, odd) = joined(pieces.clone());
        assert_eq!(odd.len(), pieces.as_array().map_or(0, Vec::len));
        assert!(arguments.is_null(), "{arguments}");
        let deep = format!("${}", ".b".repeat(101));
        assert_eq!(
            joined(json!([{"jsonPath": deep, "stringValue": "x"}]))
                .1
                .len(),
            1
        );
    }

    #[test]
    fn calls_that_come_in_pieces_are_whole() {
        let piece =
            |part: Value| json!({"candidates": [{"content": {"role": "model", "parts": [part]}}]});
        let text = |text: &str, goes_on: bool| {
            json!({"functionCall": {"willContinue": true, "partialArgs":
                [{"jsonPath": "$.city", "stringValue": text, "willContinue": goes_on}]}})
        };
        let pieces = [
            json!({"functionCall": {"id": "1", "name": "weather", "willContinue": true}, "thoughtSignature": "s"}),
            text("New ", true),
            text("Delhi", false),
            json!({"functionCall": {}}),
            json!({"functionCall": {"name": "now", "args": {}}}),
            json!({"functionCall": {"name": "weather", "willContinue": true}}),
            text("Ro", true),
        ];
        let body: Vec<Value> = pieces.into_iter().map(piece).collect();
        let policy = Policy {
            max_decoded_bytes: 0,
            max_parsed_bytes: 1 << 20,
            max_raw_bytes: 0,
            keep_media: false,
        };
        let body = Value::from(body).to_string();
        let read = reply(&body, false, false, &policy).unwrap_or_else(|_| panic!("a reply"));
        let message = &read.value.choices[0].message;
        let calls = message.tool_calls.iter();
        let calls: Vec<_> = calls
            .map(|call| (call.name.as_str(), call.arguments.as_str()))
            .collect();
        assert_eq!(
            calls,
            [
                ("weather", r#"{"city":"New Delhi"}"#),
                ("now", "{}"),
                ("weather", r#"{"city":"Ro"}"#),
            ]
        );
        assert_eq!(message.tool_calls[0].id.as_deref(), Some("1"));
        assert_eq!(
            message.other["tool_calls"],
            json!([{"index": 0, "thoughtSignature": "s"}])
        );
    }
}
