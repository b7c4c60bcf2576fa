mod streams;

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{conversation::Message, thread::digest};

const KEY: [u8; 32] = [7; 32];

const POLICY: Policy = Policy {
    max_decoded_bytes: 0,
    max_parsed_bytes: 64 << 20,
    max_raw_bytes: 0,
    keep_media: false,
};

fn asked(body: Value) -> Prompt {
    prompt(&body.to_string(), false).expect("a request").value
}

fn said(items: Value) -> Vec<Message> {
    asked(json!({"model": "m", "input": items})).messages
}

fn answered(output: Value) -> Message {
    let body = json!({"object": "response", "id": "r", "status": "completed", "output": output});
    let read = reply(&body.to_string(), false, false, &POLICY).expect("a reply");
    only(read.value)
}

fn only(reply: Reply) -> Message {
    let [choice] = reply.choices.try_into().expect("one choice");
    choice.message
}

fn body(events: &[Value]) -> String {
    events.iter().fold(String::new(), |mut body, event| {
        let name = event["type"].as_str().expect("a type");
        write!(body, "event: {name}\ndata: {event}\n\n").expect("written");
        body
    })
}

fn streamed(events: &[Value]) -> Reply {
    reply(&body(events), true, false, &POLICY)
        .expect("a reply")
        .value
}

fn added(index: usize, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn delta(kind: &str, index: usize, delta: &str) -> Value {
    json!({"type": format!("response.{kind}.delta"), "output_index": index, "delta": delta})
}

#[test]
fn what_the_model_answers_at_once_is_one_message() {
    let messages = said(json!([
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me look"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "2", "name": "g", "input": "x y"},
        {"type": "function_call_output", "call_id": "1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "two"}]},
    ]));
    let roles: Vec<&str> = messages
        .iter()
        .map(|message| message.role.as_str())
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
    assert_eq!(messages[0].content, "a\nb");
    let answer = &messages[1];
    assert_eq!(answer.content, "let me look");
    assert_eq!(answer.reasoning.as_deref(), Some("hm"));
    let calls: Vec<_> = answer
        .tool_calls
        .iter()
        .map(|call| {
            (
                call.id.as_deref(),
                call.name.as_str(),
                call.arguments.as_str(),
            )
        })
        .collect();
    assert_eq!(calls, [(Some("1"), "f", "{}"), (Some("2"), "g", "x y")]);
    assert_eq!(answer.other["output"][0]["encrypted_content"], "x");
    let results: Vec<_> = messages[2..]
        .iter()
        .map(|message| (message.tool_call_id.as_deref(), message.content.as_str()))
        .collect();
    assert_eq!(results, [(Some("1"), "one"), (Some("2"), "two")]);
}

#[test]
fn instructions_stand_before_what_is_said() {
    let prompt = asked(json!({
        "instructions": "be kind", "input": [{"role": "system", "content": "and brief"}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "web_search"}], "stream": true, "previous_response_id": "resp_1", "conversation": {"id": "conv_1"},
    }));
    let instructions: Vec<&str> = prompt
        .instructions
        .iter()
        .map(|message| message.content.as_str())
        .collect();
    assert_eq!(instructions, ["be kind", "and brief"]);
    assert_eq!(prompt.tools.as_deref(), Some(r#"[{"type":"web_search"}]"#));
    assert!(prompt.stream);
    assert_eq!(
        Value::Object(prompt.messages[0].other.clone()),
        json!({"previous_response_id": "resp_1", "conversation": {"id": "conv_1"}})
    );
    assert_eq!(
        asked(json!({"input": "hi"})).messages,
        [Message::new(Role::User, "hi")]
    );
    assert!(super::prompt(r#"{"messages":[]}"#, false).is_none());
}

#[test]
fn what_was_answered_is_told_again_as_the_same_message() {
    let output = json!([
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "thinking"}]},
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"query": "q"}},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "a ", "annotations": [{"type": "url_citation", "url": "u"}], "logprobs": []}]},
        {"id": "msg_2", "type": "message", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "b", "annotations": []}]},
        {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}", "status": "completed"},
    ]);
    let given = digest(&KEY, &answered(output.clone()));
    let mut again = vec![json!({"role": "user", "content": "q"})];
    again.extend(output.as_array().expect("a list").clone());
    again.push(json!({"type": "function_call_output", "call_id": "c", "output": "5"}));
    let messages = said(json!(again));
    assert_eq!(messages.len(), 3);
    assert_eq!(given, digest(&KEY, &messages[1]));
    let bare = said(json!([
        {"role": "assistant", "content": "a b"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{ \"a\": 1 }"},
    ]));
    assert_eq!(
        given,
        digest(&KEY, &bare[0]),
        "without what the server adds"
    );
    let last = json!({"type": "response.completed", "response": {"status": "completed", "output": output}});
    assert_eq!(given, digest(&KEY, &only(streamed(&[last]))));
}

#[test]
fn what_tools_of_the_provider_did_is_kept_in_order() {
    let message = answered(json!([
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "image_generation_call", "id": "ig", "status": "completed", "result": "aGVsbG8=", "output_format": "webp"},
        {"type": "message", "id": "m", "role": "assistant", "content": [
            {"type": "output_text", "text": "see", "annotations": [{"type": "url_citation", "url": "u"}]}]},
        {"type": "something_new", "id": "n", "odd": {"a": 1}},
    ]));
    assert_eq!(message.content, "see");
    assert_eq!(
        message.other["annotations"],
        json!([{"type": "url_citation", "url": "u"}])
    );
    let output = &message.other["output"];
    assert_eq!(output[0]["action"]["query"], "q");
    let picture = output[1]["result"].as_str().expect("a stub");
    assert!(
        picture.starts_with("data:image/webp;bytes=5;sha256="),
        "{picture}"
    );
    assert_eq!(output[2], json!({"type": "message", "id": "m"}));
    assert_eq!(
        output[3],
        json!({"type": "something_new", "id": "n", "odd": {"a": 1}})
    );
}

#[test]
fn a_refusal_and_a_screenshot_have_their_places() {
    let message = answered(
        json!([{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]),
    );
    assert_eq!(
        (message.content.as_str(), message.refusal.as_deref()),
        ("", Some("no"))
    );
    let messages = said(json!([
        {"type": "computer_call", "call_id": "c", "action": {"type": "screenshot"}},
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,aGVsbG8="}},
        {"type": "mcp_approval_request", "id": "a", "name": "f"},
        {"type": "mcp_approval_response", "approval_request_id": "a", "approve": true},
    ]));
    let roles: Vec<&str> = messages
        .iter()
        .map(|message| message.role.as_str())
        .collect();
    assert_eq!(roles, ["assistant", "tool", "assistant", "tool"]);
    let picture = messages[1].other["content"][0]["image_url"]
        .as_str()
        .expect("a stub");
    assert!(picture.contains(";bytes=5;sha256="), "{picture}");
    assert_eq!(messages[3].tool_call_id.as_deref(), Some("a"));
    assert_eq!(messages[3].other["approve"], true);
}

#[test]
fn an_answer_that_is_to_come_is_empty() {
    let body = json!({"object": "response", "id": "r", "status": "queued", "background": true, "output": []});
    let reply = reply(&body.to_string(), false, false, &POLICY)
        .expect("a reply")
        .value;
    assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("queued"));
    assert_eq!(only(reply).other["background"], true);
}
