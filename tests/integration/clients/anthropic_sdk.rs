//! Anthropic's SDK: blocks, and cache markers that move on with every call.

use serde_json::{Value, json};

use super::{
    fixture::Gateway,
    models::{blocks, blocks_stream},
};

fn marked(mut block: Value) -> Value {
    block["cache_control"] = json!({"type": "ephemeral"});
    block
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn tool() -> Value {
    json!({"name": "weather", "description": "How warm it is", "input_schema": {"type": "object"}})
}

fn asked(system: Value, tools: Value, messages: &[(&str, Value)]) -> Value {
    let messages: Vec<Value> = messages
        .iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect();
    json!({"model": "claude-sonnet-4-5", "max_tokens": 1024, "system": system, "tools": tools, "messages": messages})
}

#[tokio::test]
async fn markers_that_move_and_spellings_that_change_store_nothing_twice() {
    for session in [Some("loop-1"), None] {
        let gateway = Gateway::start().await;
        let mut headers = vec![("x-user-id", "ada"), ("anthropic-version", "2023-06-01")];
        headers.extend(session.map(|session| ("x-session-id", session)));
        let path = "/v1/messages";
        let question = "How warm are Oslo and Rome?";

        let calling = json!([
            {"type": "thinking", "thinking": "I have to look.", "signature": "EqQBCg=="},
            text("I look."),
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
            {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Rome"}},
        ]);
        let first = asked(
            json!([marked(text("Be brief."))]),
            json!([marked(tool())]),
            &[("user", json!([marked(text(question))]))],
        );
        gateway
            .ask(path, &headers, &first, blocks_stream("msg_1", &calling))
            .await;

        let results = json!([
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "4 °C"},
            marked(json!({"type": "tool_result", "tool_use_id": "toolu_2", "content": [text("15 °C")], "is_error": false})),
        ]);
        let told = json!([text("4 and 15 °C.")]);
        let second = asked(
            json!("Be brief."),
            json!([tool()]),
            &[
                ("user", json!(question)),
                ("assistant", calling.clone()),
                ("user", results),
            ],
        );
        gateway
            .ask(path, &headers, &second, blocks("msg_2", &told))
            .await;

        // Other clients leave the thinking out, and send the results in the other spelling.
        let unthinking = json!([calling[1], calling[2], marked(calling[3].clone())]);
        let results = json!([
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("4 °C")]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "15 °C"},
        ]);
        let third = asked(
            json!([text("Be brief.")]),
            json!([marked(tool())]),
            &[
                ("user", json!([text(question)])),
                ("assistant", unthinking.clone()),
                ("user", results.clone()),
                ("assistant", json!("4 and 15 °C.")),
                ("user", json!([marked(text("And in °F?"))])),
            ],
        );
        let told = json!([text("39 "), text("and 59 °F.")]);
        gateway
            .ask(path, &headers, &third, blocks_stream("msg_3", &told))
            .await;

        let fourth = asked(
            json!("Be very brief."),
            json!([tool()]),
            &[
                ("user", json!(question)),
                ("assistant", unthinking),
                ("user", results),
                ("assistant", json!([text("4 and 15 °C.")])),
                ("user", json!("And in °F?")),
                ("assistant", told),
                ("user", json!([text("Thank you."), marked(text("Bye."))])),
            ],
        );
        gateway
            .ask(
                path,
                &headers,
                &fourth,
                blocks("msg_4", &json!([text("Bye.")])),
            )
            .await;

        let sessions = gateway.sessions("ada").await;
        let [found] = &sessions[..] else {
            panic!("{sessions:?}")
        };
        assert_eq!(
            gateway.reads(found).await,
            [
                "system: Be brief.",
                "user: How warm are Oslo and Rome?",
                "assistant: I look. +toolu_1 +toolu_2",
                "tool: 4 °C =toolu_1",
                "tool: 15 °C =toolu_2",
                "assistant: 4 and 15 °C.",
                "user: And in °F?",
                "assistant: 39 and 59 °F.",
                "system: Be very brief.",
                "user: Thank you.\nBye.",
                "assistant: Bye.",
            ]
        );
        assert_eq!(gateway.counts(found).await, (9, 2));
    }
}
