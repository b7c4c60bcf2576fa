use serde_json::{Value, json};

use super::*;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn input(messages: Vec<Message>) -> String {
    Content::of(&Prompt::new(messages), &Reply::default()).input
}

#[test]
fn messages_become_the_parts_of_the_conventions() {
    let mut asking = Message::new(Role::Assistant, "");
    asking.reasoning = Some("hm".into());
    asking.tool_calls = vec![ToolCall {
        id: Some("c1".into()),
        kind: "function".into(),
        name: "add".into(),
        arguments: r#"{"a":1}"#.into(),
    }];
    let mut told = Message::new(Role::Tool, "3");
    told.tool_call_id = Some("c1".into());
    let prompt = Prompt::new(vec![
        Message::new(Role::System, "be brief"),
        Message::new(Role::User, "what is 1 + 2?"),
        asking,
        told,
    ]);
    let mut reply = Reply::new(Message::new(Role::Assistant, "three"));
    reply.choices[0].finish_reason = Some("stop".into());
    let content = Content::of(&prompt, &reply);
    assert_eq!(
        json(content.instructions.as_deref().expect("instructions")),
        json!([{ "type": "text", "content": "be brief" }])
    );
    assert_eq!(
        json(&content.input),
        json!([
            { "role": "user", "parts": [{ "type": "text", "content": "what is 1 + 2?" }] },
            { "role": "assistant", "parts": [
                { "type": "reasoning", "content": "hm" },
                { "type": "tool_call", "id": "c1", "name": "add", "arguments": { "a": 1 } },
            ] },
            { "role": "tool", "parts": [
                { "type": "tool_call_response", "id": "c1", "response": "3" },
            ] },
        ])
    );
    assert_eq!(
        json(&content.output),
        json!([{ "role": "assistant", "finish_reason": "stop",
            "parts": [{ "type": "text", "content": "three" }] }])
    );
}

#[test]
fn arguments_stand_as_they_came_or_as_a_string() {
    let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let braces = format!(r#"{{"a":"{}\\\""}}"#, "{[".repeat(1000));
    let quoted = |text: &str| Value::from(text).to_string();
    for (arguments, expected) in [
        (
            r#"{"a":123456789012345678901}"#,
            r#"{"a":123456789012345678901}"#.to_owned(),
        ),
        ("{\"a\":", quoted("{\"a\":")),
        ("", quoted("")),
        (&braces, braces.clone()),
        (&deep(100), deep(100)),
        (&deep(101), quoted(&deep(101))),
    ] {
        let mut asking = Message::new(Role::Assistant, "");
        asking.tool_calls = vec![ToolCall {
            arguments: arguments.to_owned(),
            ..ToolCall::default()
        }];
        let input = input(vec![asking]);
        let end = format!("\"arguments\":{expected}}}]}}]");
        assert!(input.ends_with(&end), "{input}");
        json(&input);
    }
}

#[test]
fn what_a_list_has_no_room_for_is_left_out_by_whole_messages_from_the_front() {
    let user = |text: &str, times| Message::new(Role::User, text.repeat(times));
    let messages = vec![
        user("a", 10),
        user("b", MAX_LIST_BYTES),
        user("c", MAX_LIST_BYTES / 2),
        user("d", 10),
    ];
    let kept = input(messages);
    assert!(kept.len() <= MAX_LIST_BYTES);
    let kept = json(&kept);
    assert_eq!(
        kept[0],
        json!({ "role": "system", "parts": [{ "type": "left_out", "count": 2 }] })
    );
    assert_eq!(
        kept[1]["parts"][0]["content"],
        "c".repeat(MAX_LIST_BYTES / 2)
    );
    assert_eq!(kept[2]["parts"][0]["content"], "d".repeat(10));
    // Escaped it is twice as long.
    let escaped = json(&input(vec![user("\n", MAX_LIST_BYTES - 100)]));
    assert_eq!(escaped[0]["parts"][0]["count"], 1);
    let instructions = Prompt::new(vec![
        Message::new(Role::System, "x".repeat(MAX_LIST_BYTES)),
        user("e", 1),
    ]);
    let content = Content::of(&instructions, &Reply::default());
    assert_eq!(
        json(content.instructions.as_deref().expect("instructions")),
        json!([{ "type": "left_out", "count": 1 }])
    );
}
