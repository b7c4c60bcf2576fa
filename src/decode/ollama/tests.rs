use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{conversation::Message, outcome::Truncated, thread::digest};

const POLICY: Policy = Policy {
    max_decoded_bytes: 0,
    max_parsed_bytes: 64 << 20,
    max_raw_bytes: 0,
    keep_media: false,
};

fn read(body: &str) -> Reply {
    reply(body, false, false, &POLICY).expect("a reply").value
}

fn lines_of(pieces: &[Value]) -> String {
    pieces.iter().map(|piece| format!("{piece}\n")).collect()
}

fn only(reply: Reply) -> Message {
    let [choice] = reply.choices.try_into().expect("one choice");
    choice.message
}

#[test]
fn a_chat_is_read_line_by_line() {
    let reply = read(&lines_of(&[
        json!({"model": "m", "created_at": "t", "message": {"role": "assistant", "thinking": "h"}, "done": false}),
        json!({"model": "m", "message": {"role": "assistant", "thinking": "m"}, "done": false}),
        json!({"model": "m", "message": {"role": "assistant", "content": "a"}, "done": false}),
        json!({"model": "m", "message": {"role": "assistant", "content": "b"}, "done": false}),
        json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop",
            "total_duration": 9, "prompt_eval_count": 3, "eval_count": 2}),
    ]));
    assert!(reply.streamed);
    assert_eq!(reply.model.as_deref(), Some("m"));
    assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("stop"));
    assert_eq!(
        (reply.usage.prompt_tokens, reply.usage.completion_tokens),
        (Some(3), Some(2))
    );
    let raw: Value = json::read(reply.usage.raw.as_deref().expect("a source")).expect("JSON");
    assert_eq!(
        raw,
        json!({"total_duration": 9, "prompt_eval_count": 3, "eval_count": 2})
    );
    let message = only(reply);
    assert_eq!(
        (message.content.as_str(), message.reasoning.as_deref()),
        ("ab", Some("hm"))
    );
    assert!(message.other.is_empty());
}

#[test]
fn pieces_that_differ_in_their_text_and_time_alone_are_read_as_others_are() {
    let piece =
        |n: usize, said: &str| format!(r#""model":"m","created_at":"t{n}",{said},"done":false}}"#);
    let texts = ["a", "\\n\\u00e9", "", "data:image/png;base64,aGVsbG8=", "b"];
    for said in [
        r#""message":{"role":"assistant","content":"TEXT"}"#,
        r#""message":{"role":"assistant","content":"","thinking":"TEXT"}"#,
        r#""response":"TEXT""#,
        r#""response":"","thinking":"TEXT""#,
        r#""response":"TEXT","p":"TEXT""#,
    ] {
        let (mut same, mut different) = (String::new(), String::new());
        for (n, text) in texts.iter().cycle().take(9).enumerate() {
            let piece = piece(n, &said.replace("TEXT", text));
            same.push_str(&format!("{{{piece}\n"));
            different.push_str(&format!("{{{}{piece}\n", " ".repeat(n + 1)));
        }
        let last = r#"{"message":{"role":"model","content":"."},"done":true,"done_reason":"stop"}"#;
        assert_eq!(read(&(same + last)), read(&(different + last)), "{said}");
    }
}

#[test]
fn calls_of_the_same_tool_are_several() {
    let call = |city: &str| json!({"function": {"name": "look", "arguments": {"city": city}}});
    let piece = |city: &str| json!({"message": {"role": "assistant", "content": "", "tool_calls": [call(city)]}, "done": false});
    let given = only(read(&lines_of(&[piece("a"), piece("b")])));
    assert_eq!(given.tool_calls.len(), 2);
    assert_eq!(given.tool_calls[1].arguments, r#"{"city":"b"}"#);
    let again = json!({"messages": [
        {"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "content": "5", "tool_name": "look"}]});
    let asked = prompt(&again.to_string(), false).expect("a request").value;
    assert_eq!(
        digest(&[7; 32], &given),
        digest(&[7; 32], &asked.messages[1])
    );
    assert_eq!(asked.messages[2].other["tool_name"], "look");
}

#[test]
fn a_completion_is_read_without_its_tokens() {
    let reply = read(
        r#"{"model":"m","response":"hi","thinking":"hm","done":true,"done_reason":"stop","context":[1,2],"eval_count":1}"#,
    );
    assert!(!reply.streamed);
    let message = only(reply);
    assert_eq!(
        (message.content.as_str(), message.reasoning.as_deref()),
        ("hi", Some("hm"))
    );
    assert!(message.other.is_empty());
    let asked = json!({"model": "m", "prompt": "q", "system": "be kind", "images": ["aGVsbG8="], "suffix": "", "context": [1]});
    let asked = prompt(&asked.to_string(), false).expect("a request").value;
    assert_eq!(asked.instructions[0].content, "be kind");
    let picture = &asked.messages[0].other["content"][0];
    assert_eq!(picture["type"], "image");
    assert!(
        picture["image"]
            .as_str()
            .expect("a stub")
            .contains(";bytes=5;sha256=")
    );
    assert_eq!(asked.messages[0].other.len(), 1);
}

#[test]
fn an_error_keeps_what_came_before() {
    let begun = json!({"message": {"role": "assistant", "content": "so far"}, "done": false});
    let reply = read(&lines_of(&[begun, json!({"error": "out of memory"})]));
    assert_eq!(
        reply.error.as_ref().map(|error| error.message.as_str()),
        Some("out of memory")
    );
    assert_eq!(only(reply).content, "so far");
    let reply = read(r#"{"error":"no such model"}"#);
    assert!(reply.choices.is_empty() && reply.error.is_some());
}

#[test]
fn what_is_not_ollamas_is_not_read() {
    assert!(reply(r#"{"embedding":[1]}"#, false, false, &POLICY).is_err());
    assert!(reply("<html>", true, false, &POLICY).is_err());
    assert!(prompt(r#"{"model":"m"}"#, false).is_none());
}

#[test]
fn a_cut_line_is_read_to_the_cut() {
    let body = "{\"response\":\"a\"}\n{\"response\":\"bc";
    let read = reply(body, true, true, &POLICY).expect("a reply").value;
    assert_eq!(only(read).content, "abc");
}

#[test]
fn hostile_bodies_take_neither_time_nor_room() {
    let small = "{\"response\":\"x\"}\n".repeat(100_000);
    assert_eq!(only(read(&small)).content.len(), 100_000);
    let calls = json!({"message": {"tool_calls": vec![json!({"function": {"name": "f"}}); 100]}});
    let read = reply(&lines_of(&vec![calls; 100]), true, false, &POLICY).expect("a reply");
    assert_eq!(
        (read.truncated, only(read.value).tool_calls.len()),
        (Truncated::Cap, 4096)
    );
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\n", "\"message\":", "\"response\":", "\"content\":", "\"tool_calls\":", "\"error\":",
        "\"x\"", "1", "null", "\"eval_count\":", "\"images\":", "\"function\":", "\"prompt\":",
    ]), 0..40), cut: bool, lines: bool) {
        let source = words.concat();
        let _ = reply(&source, lines, cut, &POLICY);
        let _ = prompt(&source, false);
    }
}
