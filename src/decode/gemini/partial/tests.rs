use serde_json::json;

use super::*;
use crate::{
    conversation::Message,
    decode::{Policy, gemini::reply},
};

const ROOM: usize = 1 << 20;

fn joined(pieces: Value) -> (Value, Vec<Value>) {
    let mut partial = Partial::default();
    let mut tally = Tally::new(ROOM);
    for piece in pieces.as_array().cloned().unwrap_or_default() {
        partial.piece(piece, &mut tally);
    }
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
fn texts_go_on_though_others_stand_between() {
    let (arguments, _) = joined(json!([
        {"jsonPath": "$.a", "stringValue": "New ", "willContinue": true},
        {"jsonPath": "$.b", "stringValue": "1", "willContinue": true},
        {"jsonPath": "$.a", "stringValue": "Delhi"},
        {"jsonPath": "$.b", "stringValue": "2"},
        {"jsonPath": "$.b", "stringValue": "3"},
    ]));
    assert_eq!(arguments, json!({"a": "New Delhi", "b": "3"}));
}

#[test]
fn what_has_no_place_or_no_value_is_kept_as_it_came() {
    let deep = format!("${}", ".b".repeat(101));
    let pieces = json!([
        7, {"jsonPath": "$.a"}, {"stringValue": "x"}, {"jsonPath": "a", "stringValue": "x"},
        {"jsonPath": "$..a", "stringValue": "x"}, {"jsonPath": "$.*", "stringValue": "x"},
        {"jsonPath": "$[1000000000]", "stringValue": "x"}, {"jsonPath": "$['a\\'b']", "stringValue": "x"},
        {"jsonPath": "$.a[1]", "numberValue": 1}, {"jsonPath": "$.a['b'][0][1]", "nullValue": "NULL_VALUE"},
        {"jsonPath": deep, "stringValue": "x"}, {"jsonPath": "$[0", "stringValue": "x"},
        {"jsonPath": "$.a", "stringValue": {"b": "x"}},
    ]);
    assert_eq!(
        joined(pieces.clone()),
        (Value::Null, pieces.as_array().cloned().unwrap_or_default())
    );
}

#[test]
fn paths_make_no_more_than_there_is_room_for() {
    let piece = |at: usize| {
        let path = format!("$.a{at}{}", ".b".repeat(98));
        json!({"jsonPath": path, "boolValue": true})
    };
    let pieces: Vec<Value> = (0..4000).map(piece).collect();
    let (arguments, odd) = joined(pieces.clone().into());
    let made = arguments.as_object().map_or(0, Map::len);
    assert!(made > 0);
    assert!(made * 98 * estimate::OBJECT_BYTES <= ROOM);
    assert_eq!(odd, pieces[made..]);
}

#[test]
fn a_call_that_repeats_its_name_or_ends_without_arguments_is_one() {
    let text = |text: &str, goes_on: bool| json!([{"jsonPath": "$.city", "stringValue": text, "willContinue": goes_on}]);
    let message = replied([
        json!({"functionCall": {"id": "1", "name": "weather", "willContinue": true, "partialArgs": text("New ", true)}}),
        json!({"functionCall": {"id": "1", "name": "weather", "willContinue": true, "partialArgs": text("Delhi", false)}}),
        json!({"functionCall": {"args": {}}}),
        json!({"functionCall": {"id": "2", "name": "weather", "willContinue": true, "partialArgs": text("Ro", false)}}),
    ]);
    let calls: Vec<_> = message
        .tool_calls
        .iter()
        .map(|call| (call.id.as_deref(), call.arguments.as_str()))
        .collect();
    assert_eq!(
        calls,
        [
            (Some("1"), r#"{"city":"New Delhi"}"#),
            (Some("2"), r#"{"city":"Ro"}"#),
        ]
    );
}

fn replied(parts: impl IntoIterator<Item = Value>) -> Message {
    let piece =
        |part: Value| json!({"candidates": [{"content": {"role": "model", "parts": [part]}}]});
    let body: Value = parts.into_iter().map(piece).collect();
    let policy = Policy {
        max_decoded_bytes: 0,
        max_parsed_bytes: ROOM,
        max_raw_bytes: 0,
        keep_media: false,
    };
    let read = reply(&body.to_string(), false, false, &policy);
    let mut read = read.unwrap_or_else(|_| panic!("a reply")).value;
    read.choices.remove(0).message
}

#[test]
fn calls_that_come_in_pieces_are_whole() {
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
    let message = replied(pieces);
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
