use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{conversation::Prompt, thread::digest};

const POLICY: Policy = Policy {
    max_decoded_bytes: 0,
    max_parsed_bytes: 64 << 20,
    max_raw_bytes: 0,
    keep_media: false,
};

fn asked(body: Value) -> Prompt {
    prompt(&body.to_string(), false).expect("a request").value
}

fn read(body: &str) -> Reply {
    reply(body, false, false, false, &POLICY)
        .expect("a reply")
        .value
}

fn only(reply: Reply) -> Message {
    let [choice] = reply.choices.try_into().expect("one choice");
    choice.message
}

fn lines_of(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn events_of(events: &[Value]) -> String {
    events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect()
}

#[test]
fn events_that_differ_in_their_text_alone_are_read_as_others_are() {
    let delta = |message: &str| {
        format!(r#""type":"x-delta","index":0,"delta":{{"message":{{{message}}}}}}}"#)
    };
    let call = r#""type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","function":{"name":"f","arguments":""}}}}}"#;
    let texts = ["a", "\\n\\u00e9", "", "b"];
    for said in [
        r#""is_finished":false,"event_type":"text-generation","text":"TEXT"}"#.to_owned(),
        delta(r#""content":{"text":"TEXT"}"#),
        delta(r#""content":{"thinking":"TEXT"}"#),
        delta(r#""tool_plan":"TEXT""#),
        delta(r#""tool_calls":{"function":{"arguments":"TEXT"}}"#),
        delta(r#""tool_calls":{"function":{"name":"TEXT"}}"#),
    ] {
        let (mut same, mut different) = (String::new(), String::new());
        for (n, text) in texts.iter().cycle().take(12).enumerate() {
            let event = match n {
                5 => call.to_owned(),
                _ => said.replace("TEXT", text),
            };
            same.push_str(&format!("{{{event}\n"));
            different.push_str(&format!("{{{}{event}\n", " ".repeat(n + 1)));
        }
        assert_eq!(read(&same), read(&different), "{said}");
    }
}

#[test]
fn a_request_of_the_first_version_is_a_conversation() {
    let call = json!({"name": "look", "parameters": {"city": "Paris"}});
    let prompt = asked(json!({
        "model": "m", "preamble": "be kind", "stream": true, "conversation_id": "c", "tools": [{"name": "look"}],
        "chat_history": [{"role": "SYSTEM", "message": "be brief"}, {"role": "USER", "message": "hi"},
            {"role": "CHATBOT", "message": "let me look", "tool_calls": [call]},
            {"role": "TOOL", "tool_results": [{"call": call, "outputs": [{"t": 5}]}]}, {"role": "Chatbot", "message": "5"}],
        "message": "thanks",
    }));
    let instructions: Vec<&str> = prompt
        .instructions
        .iter()
        .map(|said| said.content.as_str())
        .collect();
    assert_eq!(instructions, ["be kind", "be brief"]);
    let said: Vec<_> = prompt
        .messages
        .iter()
        .map(|said| (said.role.as_str(), said.content.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("user", "hi"),
            ("assistant", "let me look"),
            ("tool", r#"[{"t":5}]"#),
            ("assistant", "5"),
            ("user", "thanks")
        ]
    );
    assert_eq!(prompt.messages[2].other["call"], call);
    assert_eq!(prompt.messages[4].other["conversation_id"], "c");
    assert!(prompt.stream && prompt.tools.is_some());
    let given =
        json!({"text": "let me look", "generation_id": "g", "tool_calls": [call]}).to_string();
    assert_eq!(
        digest(&[7; 32], &only(read(&given))),
        digest(&[7; 32], &prompt.messages[1])
    );
    let results = asked(json!({"message": "", "tool_results": [{"call": call, "outputs": []}]}));
    assert_eq!(results.messages.len(), 1);
    assert_eq!(
        asked(json!({"prompt": "go on"})).messages[0].content,
        "go on"
    );
    assert!(super::prompt("{}", false).is_none());
}

#[test]
fn a_stream_of_the_first_version_ends_with_the_whole_answer() {
    let whole = json!({"text": "hello", "generation_id": "g", "finish_reason": "COMPLETE", "citations": [{"start": 0}],
        "chat_history": [{"role": "USER", "message": "hi"}], "meta": {"tokens": {"input_tokens": 3, "output_tokens": 2.0}}});
    let events = [
        json!({"event_type": "stream-start", "generation_id": "g"}),
        json!({"event_type": "text-generation", "text": "hel"}),
        json!({"event_type": "text-generation", "text": "lo"}),
        json!({"event_type": "citation-generation", "citations": [{"start": 0}]}),
        json!({"event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole}),
    ];
    for body in [lines_of(&events), events_of(&events)] {
        let reply = read(&body);
        assert!(reply.streamed);
        assert_eq!(reply.response_id.as_deref(), Some("g"));
        assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("COMPLETE"));
        assert_eq!(
            (reply.usage.prompt_tokens, reply.usage.completion_tokens),
            (Some(3), Some(2))
        );
        let message = only(reply);
        assert_eq!(message.content, "hello");
        assert_eq!(
            Value::Object(message.other),
            json!({"citations": [{"start": 0}]})
        );
    }
    let message = only(read(&lines_of(&events[..4])));
    assert_eq!(
        (message.content.as_str(), message.other.len()),
        ("hello", 1)
    );
}

#[test]
fn calls_of_the_first_version_come_in_pieces_and_whole() {
    let piece = |delta: Value| json!({"event_type": "tool-calls-chunk", "tool_call_delta": delta});
    let events = [
        json!({"event_type": "tool-calls-chunk", "text": "I will"}),
        piece(json!({"index": 0, "name": "look"})),
        piece(json!({"index": 0, "parameters": "{\"a\":"})),
        piece(json!({"index": 0, "parameters": "1}"})),
        json!({"event_type": "tool-calls-generation", "tool_calls": [{"name": "look", "parameters": {"a": 1}}]}),
    ];
    for events in [&events[..4], &events[..]] {
        let message = only(read(&lines_of(events)));
        assert_eq!(message.tool_calls.len(), 1);
        assert_eq!(
            (
                message.tool_calls[0].name.as_str(),
                message.tool_calls[0].arguments.as_str()
            ),
            ("look", "{\"a\":1}")
        );
    }
}

#[test]
fn a_stream_of_the_second_version_is_put_together() {
    let said = |message: Value| json!({"type": "x", "delta": {"message": message}});
    let call = |index: usize, call: Value| json!({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": call}}});
    let events = [
        json!({"id": "r", "type": "message-start", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
        said(json!({"content": {"type": "thinking", "thinking": "hm"}})),
        said(json!({"tool_plan": "I "})),
        said(json!({"tool_plan": "will"})),
        call(
            0,
            json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}),
        ),
        call(
            1,
            json!({"id": "2", "type": "function", "function": {"name": "f", "arguments": ""}}),
        ),
        call(0, json!({"function": {"arguments": "{}"}})),
        call(1, json!({"function": {"arguments": "[]"}})),
        said(json!({"content": {"text": "a"}})),
        said(json!({"content": {"text": "b"}})),
        said(json!({"citations": {"start": 0}})),
        json!({"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"billed_units": {}, "tokens": {"input_tokens": 3}}}}),
    ];
    let reply = read(&events_of(&events));
    assert_eq!(
        (reply.response_id.as_deref(), reply.usage.prompt_tokens),
        (Some("r"), Some(3))
    );
    assert_eq!(reply.choices[0].finish_reason.as_deref(), Some("COMPLETE"));
    let streamed = only(reply);
    let whole = json!({"id": "r", "finish_reason": "COMPLETE", "message": {"role": "assistant", "tool_plan": "I will",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ab"}], "citations": [{"start": 0}],
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "2", "type": "function", "function": {"name": "f", "arguments": "[]"}}]}});
    assert_eq!(streamed, only(read(&whole.to_string())));
    assert_eq!(streamed.other["tool_plan"], "I will");
    let again = asked(json!({"messages": [{"role": "user", "content": "q"}, whole["message"]]}));
    assert_eq!(
        digest(&[7; 32], &streamed),
        digest(&[7; 32], &again.messages[1])
    );
}

#[test]
fn a_completion_has_several_answers() {
    let reply = read(
        r#"{"id":"r","generations":[{"text":"a","finish_reason":"COMPLETE"},{"text":"b"}],"prompt":"p"}"#,
    );
    let texts: Vec<_> = reply
        .choices
        .iter()
        .map(|choice| (choice.index, choice.message.content.as_str()))
        .collect();
    assert_eq!(texts, [(0, "a"), (1, "b")]);
    assert_eq!(reply.response_id.as_deref(), Some("r"));
}

#[test]
fn an_error_keeps_what_came_before() {
    let begun =
        json!({"type": "content-delta", "delta": {"message": {"content": {"text": "so far"}}}});
    for last in [
        json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "sorry"}}),
        json!({"message": "sorry"}),
    ] {
        let reply = read(&events_of(&[begun.clone(), last]));
        assert_eq!(
            reply.error.as_ref().map(|error| error.message.as_str()),
            Some("sorry")
        );
        assert_eq!(only(reply).content, "so far");
    }
    assert!(
        reply(
            r#"{"id":"x","message":"no such model"}"#,
            false,
            false,
            false,
            &POLICY
        )
        .is_err()
    );
}

#[test]
fn hostile_bodies_take_neither_time_nor_room() {
    let small = lines_of(&[json!({"event_type": "text-generation", "text": "x"})]).repeat(100_000);
    assert_eq!(only(read(&small)).content.len(), 100_000);
    let call = |index: usize| json!({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": {"function": {"name": "f"}}}}});
    let calls: Vec<Value> = (0..10_000).map(call).collect();
    let read = reply(&events_of(&calls), true, false, false, &POLICY).expect("a reply");
    assert_eq!(
        (read.truncated, only(read.value).tool_calls.len()),
        (Truncated::Cap, 4096)
    );
}

proptest! {
    #[test]
    fn arbitrary_events_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "data: ", "{", "}", "[", "]", ",", ":", "\n", "\n\n", "\"type\":", "\"event_type\":", "\"stream-end\"", "\"response\":",
        "\"delta\":", "\"message\":", "\"content\":", "\"text\":", "\"tool_calls\":", "\"x\"", "1", "null", "\"error\":",
    ]), 0..40), cut: bool, lines: bool) {
        let source = words.concat();
        let _ = reply(&source, !lines, lines, cut, &POLICY);
        let _ = prompt(&source, false);
    }
}
