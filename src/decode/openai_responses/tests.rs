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
fn a_stream_without_its_end_is_read_from_its_pieces() {
    let events = [
        json!({"type": "response.created", "response": {"object": "response", "id": "r", "model": "m", "status": "in_progress", "output": []}}),
        added(0, json!({"type": "reasoning", "id": "rs", "summary": []})),
        delta("reasoning_summary_text", 0, "h"),
        delta("reasoning_summary_text", 0, "m"),
        added(
            1,
            json!({"type": "message", "id": "m", "role": "assistant", "content": []}),
        ),
        delta("output_text", 1, "so "),
        delta("output_text", 1, "far"),
        json!({"type": "response.output_text.annotation.added", "output_index": 1, "annotation": {"url": "u"}}),
        added(
            2,
            json!({"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""}),
        ),
        delta("function_call_arguments", 2, "{\"a\":"),
        delta("function_call_arguments", 2, "1}"),
        added(
            3,
            json!({"type": "code_interpreter_call", "id": "ci", "code": ""}),
        ),
        delta("code_interpreter_call_code", 3, "1+1"),
    ];
    let reply = streamed(&events);
    assert_eq!(
        (reply.response_id.as_deref(), reply.model.as_deref()),
        (Some("r"), Some("m"))
    );
    assert_eq!(reply.choices[0].finish_reason, None);
    let message = only(reply);
    assert_eq!(
        (message.content.as_str(), message.reasoning.as_deref()),
        ("so far", Some("hm"))
    );
    assert_eq!(message.tool_calls[0].arguments, "{\"a\":1}");
    assert_eq!(message.other["annotations"], json!([{"url": "u"}]));
    assert_eq!(message.other["output"][3]["code"], "1+1");
}

#[test]
fn the_end_of_a_stream_that_says_nothing_takes_the_pieces() {
    let item = json!({"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]});
    let reply = streamed(&[
        delta("output_text", 0, "hel"),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [], "usage": {"input_tokens": 3}}}),
    ]);
    assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("completed"));
    assert_eq!(reply.usage.prompt_tokens, Some(3));
    assert_eq!(only(reply).content, "hello");
}

#[test]
fn a_failure_keeps_what_came_before() {
    let begun = [
        added(
            0,
            json!({"type": "message", "role": "assistant", "content": []}),
        ),
        delta("output_text", 0, "so far"),
    ];
    let failed = json!({"type": "response.failed", "response": {"id": "r", "status": "failed", "output": [],
        "error": {"code": "server_error", "message": "sorry"}}});
    let error = json!({"type": "error", "code": "server_error", "message": "sorry", "param": null});
    for last in [failed, error] {
        let mut events = begun.to_vec();
        events.push(last.clone());
        let reply = streamed(&events);
        let error = reply.error.as_ref().expect("an error");
        assert_eq!(
            (
                error.message.as_str(),
                error.code.as_deref(),
                error.kind.as_deref()
            ),
            ("sorry", Some("server_error"), None)
        );
        assert_eq!(only(reply).content, "so far");
        let reply = streamed(&[last]);
        assert!(reply.choices.is_empty() && reply.error.is_some());
    }
    let body = json!({"object": "response", "status": "failed", "output": [], "error": {"code": "c", "message": "no"}});
    let reply = reply(&body.to_string(), false, false, &POLICY)
        .expect("a reply")
        .value;
    assert!(reply.choices.is_empty() && reply.error.is_some());
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

#[test]
fn events_that_are_not_known_are_counted() {
    let known = delta("output_text", 0, "x");
    let body = format!("data: {known}\n\ndata: junk\n\nevent: odd\ndata: {{}}\n\ndata: [DONE]\n\n");
    let message = only(reply(&body, true, false, &POLICY).expect("a reply").value);
    assert_eq!(message.content, "x");
    assert_eq!(
        message.other["unparsed_events"],
        json!({"count": 2, "first": "junk"})
    );
    assert!(reply("data: junk\n\n", true, false, &POLICY).is_err());
    let silent = reply(": ping\n\n", true, false, &POLICY)
        .expect("a reply")
        .value;
    assert!(silent.choices.is_empty());
}

#[test]
fn a_type_that_does_not_stand_first_is_found() {
    let last = r#"data: {"response":{"type":"x","output":[{"content":"hi"}]},"type":"response.completed"}"#;
    assert_eq!(
        only(reply(last, true, false, &POLICY).expect("a reply").value).content,
        "hi"
    );
}

#[test]
fn a_cut_stream_is_read_to_the_cut() {
    let whole = body(&[
        added(
            0,
            json!({"type": "message", "role": "assistant", "content": []}),
        ),
        delta("output_text", 0, "hello"),
    ]);
    let cut = &whole[..whole.find("llo").expect("a text")];
    assert_eq!(
        only(reply(cut, true, true, &POLICY).expect("a reply").value).content,
        "he"
    );
}

#[test]
fn hostile_bodies_take_neither_time_nor_room() {
    let small = body(&[delta("output_text", 0, "x")]).repeat(100_000);
    assert_eq!(
        only(reply(&small, true, false, &POLICY).expect("a reply").value)
            .content
            .len(),
        100_000
    );
    let indexes: String = (0..200_000)
        .map(|index| format!("data: {{\"type\":\"response.output_text.delta\",\"output_index\":{index},\"delta\":\"x\"}}\n\n"))
        .collect();
    let read = reply(&indexes, true, false, &POLICY).expect("a reply");
    assert_eq!(read.truncated, Truncated::Cap);
    assert!(only(read.value).content.len() <= crate::decode::limits::MAX_MESSAGES);
    let calls = vec![json!({"type": "function_call", "name": "f"}); 10_000];
    let source = json!({"output": calls}).to_string();
    let read = reply(&source, false, false, &POLICY).expect("a reply");
    assert_eq!(
        (read.truncated, only(read.value).tool_calls.len()),
        (Truncated::Cap, 4096)
    );
    let deep = format!(
        "data: {{\"type\":\"response.completed\",\"response\":{}",
        "[".repeat(100_000)
    );
    let read = reply(&deep, true, false, &POLICY).expect("a reply");
    assert!(
        read.value
            .choices
            .iter()
            .all(|choice| choice.message.content.is_empty())
    );
}

proptest! {
    #[test]
    fn arbitrary_events_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "event: response.completed\n", "event: error\n", "data: ", "\n\n", "{", "}", "[", "]", ",", ":", "\"type\":",
        "\"response.output_text.delta\"", "\"response.output_item.done\"", "\"response\":", "\"output\":", "\"item\":",
        "\"delta\":", "\"output_index\":", "\"content\":", "\"x\"", "1", "null", "\"function_call\"", "\"reasoning\"",
    ]), 0..40), cut: bool) {
        let source = words.concat();
        let _ = reply(&source, true, cut, &POLICY);
        let _ = prompt(&source, false);
    }

    #[test]
    fn a_stream_cut_anywhere_keeps_what_came_whole(at: prop::sample::Index) {
        let events: Vec<Value> = (0..20).map(|_| delta("output_text", 0, "ab")).collect();
        let whole = body(&events);
        let cut = &whole[..at.index(whole.len())];
        let ended = cut.matches("\n\n").count();
        if let Ok(read) = reply(cut, true, true, &POLICY)
            && let Some(choice) = read.value.choices.first()
        {
            prop_assert!(choice.message.content.len() >= 2 * ended);
        }
    }
}
