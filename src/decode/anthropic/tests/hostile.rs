use proptest::prelude::*;

use super::*;

fn read(body: &str, cut: bool) -> Result<Read<Reply>, Unread> {
    reply(body, true, cut, &POLICY)
}

#[test]
fn a_long_stream_of_small_deltas_is_read_whole() {
    let delta = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n";
    let read = read(&delta.repeat(100_000), false).expect("a reply");
    assert_eq!(only(&read.value).content.len(), 100_000);
}

#[test]
fn blocks_calls_and_messages_beyond_their_number_are_left_out() {
    let mut body = String::new();
    for index in 0..100_000 {
        let block = json!({"type": "tool_use", "id": "t", "name": "n", "input": {}});
        let event = json!({"type": "content_block_start", "index": index, "content_block": block});
        write!(body, "data: {event}\n\n").expect("written");
    }
    let read = read(&body, false).expect("a reply");
    assert_eq!(
        (only(&read.value).tool_calls.len(), read.truncated),
        (4096, Truncated::Cap)
    );
    let results: Vec<Value> = (0..4000)
        .map(|_| json!({"type": "tool_result", "tool_use_id": "t", "content": "x"}))
        .collect();
    let message = json!({"role": "user", "content": results});
    let request = json!({"messages": vec![message; 6]}).to_string();
    let read = prompt(&request, false).expect("a request");
    assert_eq!(
        (read.value.messages.len(), read.truncated),
        (16_384, Truncated::Cap)
    );
}

#[test]
fn what_is_nested_deeply_spoils_no_more_than_itself() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let request = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"a"}},{{"type":"tool_result","tool_use_id":"t","content":{deep}}}]}}]}}"#
    );
    let read = prompt(&request, false).expect("a request");
    assert_eq!(read.value.messages[0].content, "a");
}

#[test]
fn a_member_of_a_block_that_cannot_be_read_spoils_no_more_than_itself() {
    let deep = format!("{}{}", "[".repeat(130), "]".repeat(130));
    for odd in ["1e400", &deep] {
        let input = format!(r#"{{"a":{odd}}}"#);
        let start = |index: usize, kind: &str| {
            format!(
                "data: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{\"type\":\"{kind}\",\"id\":\"t{index}\",\"name\":\"query\",\"input\":{input}}}}}\n\n"
            )
        };
        let body = [start(0, "mcp_tool_use"), start(1, "tool_use")].concat();
        let read = read(&body, false).expect("a reply").value;
        let message = only(&read);
        assert_eq!(
            message.clone().take_other()["blocks"][0],
            json!({"type": "mcp_tool_use", "id": "t0", "name": "query", "input": input})
        );
        let call = &message.tool_calls[0];
        assert_eq!(
            (call.id.as_deref(), call.name.as_str()),
            (Some("t1"), "query")
        );
        assert_eq!(call.arguments, input);
    }
}

#[test]
fn a_stream_that_there_is_no_room_for_is_refused() {
    let tight = Policy {
        max_parsed_bytes: 10,
        ..POLICY
    };
    let refused = reply(&body(&events(&answer())), true, false, &tight);
    assert_eq!(refused.err(), Some(Unread::TooLarge));
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_keeps_what_came_before(at: prop::sample::Index) {
        let whole = body(&events(&answer()));
        let end = (0..=at.index(whole.len())).rev().find(|&at| whole.is_char_boundary(at)).unwrap_or(0);
        if let Ok(read) = read(&whole[..end], true) {
            let content = read.value.choices.first().map_or("", |choice| choice.message.content.as_str());
            prop_assert!("Let me look. Found.".starts_with(content), "{}", content);
        }
    }

    #[test]
    fn arbitrary_events_never_panic(
        events in prop::collection::vec(
            "\\{\"type\":\"(content_block_delta|content_block_start|message_start|message_delta|error)\",\"(index|delta|content_block|message|usage|error)\":(-1|null|\"x\"|\\{\"type\":\"(text|tool_use|thinking_delta)\",\"(text|input|content|thinking|stop_reason)\":(1|\"é\"|\\[\\{\\}\\]|\\{\\})\\})\\}?",
            0..6,
        ),
    ) {
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let _ = read(&body, true);
        for event in &events {
            let _ = read(event, false);
            let _ = prompt(event, false);
        }
    }
}
