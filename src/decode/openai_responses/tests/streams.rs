//! Replies that arrive in events, whole, cut and hostile.

use super::*;

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
