//! OpenAI's SDK and programs like it: a loop over tools that sends everything that was said.

use serde_json::{Value, json};

use super::{
    fixture::{Gateway, Headers},
    models::{Answer, chat, chat_stream},
};

struct Program<'a> {
    gateway: &'a Gateway,
    headers: Headers<'a>,
    history: Vec<Value>,
    tools: Value,
}

impl Program<'_> {
    /// Sends everything, and appends what is answered as the SDK holds it.
    async fn turn(&mut self, stream: bool, message: Value) {
        let id = format!("chatcmpl-{}", self.history.len());
        let answer: fn(&str, &Value) -> Answer = if stream { chat_stream } else { chat };
        let asked = json!({
            "model": "gpt-4.1", "messages": self.history, "tools": self.tools, "stream": stream,
        });
        self.gateway
            .ask(
                "/v1/chat/completions",
                self.headers,
                &asked,
                answer(&id, &message),
            )
            .await;
        self.history.push(message);
    }

    fn say(&mut self, message: Value) {
        self.history.push(message);
    }
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

fn call(id: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
}

fn result(id: &str, content: impl Into<Value>) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content.into()})
}

async fn run(gateway: &Gateway, headers: Headers<'_>) {
    let mut program = Program {
        gateway,
        headers,
        history: vec![
            json!({"role": "system", "content": "Be brief."}),
            json!({"role": "user", "content": "How warm are Oslo and Rome?"}),
        ],
        tools: json!([tool("weather")]),
    };
    let oslo = call("call_1", r#"{"city": "Oslo"}"#);
    let rome = call("call_2", r#"{"city": "Rome"}"#);
    program
        .turn(
            false,
            json!({"role": "assistant", "content": null, "refusal": null, "annotations": [],
            "tool_calls": [oslo, rome]}),
        )
        .await;
    program.say(result("call_1", "4 °C"));
    program.say(result("call_2", json!([{"type": "text", "text": "15 °C"}])));
    let bergen = call("call_3", r#"{"city": "Bergen"}"#);
    program
        .turn(
            true,
            json!({"role": "assistant", "content": "One more.", "tool_calls": [bergen]}),
        )
        .await;
    program.say(result("call_3", "6 °C"));
    program
        .turn(
            true,
            json!({"role": "assistant", "content": "4, 15 and 6 °C."}),
        )
        .await;
    // What was said is spelled otherwise from here on.
    program.history[1] = json!({"role": "user", "name": null,
        "content": [{"type": "text", "text": "How warm are Oslo and Rome?"}]});
    program.history[2]["tool_calls"][0] = call("call_1", r#"{"city":"Oslo"}"#);
    program.say(json!({"role": "user", "content": "Thank you."}));
    program.tools = json!([tool("weather"), tool("news")]);
    program
        .turn(
            false,
            json!({"role": "assistant", "content": "You are welcome.", "refusal": null}),
        )
        .await;
    program.say(json!({"role": "user", "content": "Thank you."}));
    program
        .turn(
            true,
            json!({"role": "assistant", "content": "You are welcome."}),
        )
        .await;
}

#[tokio::test]
async fn a_loop_over_tools_is_stored_once_with_and_without_a_session_id() {
    for session in [Some("loop-1"), None] {
        let gateway = Gateway::start().await;
        let mut headers = vec![("x-user-id", "ada")];
        headers.extend(session.map(|session| ("x-session-id", session)));
        run(&gateway, &headers).await;
        let sessions = gateway.sessions("ada").await;
        let [found] = &sessions[..] else {
            panic!("{sessions:?}")
        };
        assert!(session.is_none_or(|session| session == found));
        assert_eq!(
            gateway.reads(found).await,
            [
                "system: Be brief.",
                "user: How warm are Oslo and Rome?",
                "assistant:  +call_1 +call_2",
                "tool: 4 °C =call_1",
                "tool: 15 °C =call_2",
                "assistant: One more. +call_3",
                "tool: 6 °C =call_3",
                "assistant: 4, 15 and 6 °C.",
                "system: Be brief.",
                "user: Thank you.",
                "assistant: You are welcome.",
                "user: Thank you.",
                "assistant: You are welcome.",
            ]
        );
        assert_eq!(gateway.counts(found).await, (11, 2));
        let tokens = gateway.rows(found).await.into_iter();
        let tokens = tokens.filter_map(|row| row.message.usage.total_tokens);
        assert_eq!(tokens.sum::<i64>(), 5 * 25);
    }
}
