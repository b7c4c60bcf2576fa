//! Codex: responses with everything that was said, thoughts encrypted.

use serde_json::{Value, json};

use super::{fixture::Gateway, models::response_stream};

const SESSION: &str = "0199f7aa-9c52-7d31-8f5c-1f6d9a3be001";

fn said(role: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]})
}

fn answered(id: &str, text: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
}

fn thought(id: &str) -> Value {
    json!({"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": "**Looking**"}],
        "encrypted_content": format!("gAAAAA{id}")})
}

fn call(id: &str, command: &str) -> Value {
    json!({"type": "function_call", "id": format!("fc_{id}"), "status": "completed", "name": "shell",
        "call_id": id, "arguments": json!({"command": ["bash", "-lc", command]}).to_string()})
}

fn result(id: &str, output: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": output})
}

/// An item as it is sent back: the ids are the provider's, which stores nothing.
fn sent_back(mut item: Value) -> Value {
    let members = item.as_object_mut().expect("an item");
    members.remove("id");
    members.remove("status");
    if item["type"] == "reasoning" {
        item["content"] = Value::Null;
    }
    if item["type"] == "message" {
        let text = item["content"][0]["text"].take();
        item["content"] = json!([{"type": "output_text", "text": text}]);
    }
    item
}

struct Codex<'a> {
    gateway: &'a Gateway,
    names: [&'a str; 2],
    input: Vec<Value>,
    calls: usize,
}

impl Codex<'_> {
    async fn turn(&mut self, new: Vec<Value>, output: Vec<Value>) {
        self.input.extend(new);
        self.calls += 1;
        let asked = json!({
            "model": "gpt-5-codex", "instructions": "You are Codex.", "input": self.input,
            "tools": [{"type": "function", "name": "shell", "strict": false, "parameters": {"type": "object"}}],
            "tool_choice": "auto", "parallel_tool_calls": false, "store": false, "stream": true,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"], "prompt_cache_key": SESSION,
        });
        let [session, conversation] = self.names;
        let headers = [
            (session, SESSION),
            (conversation, SESSION),
            ("x-user-id", "ada"),
            ("originator", "codex_cli_rs"),
            ("accept", "text/event-stream"),
        ];
        let answer = response_stream(&format!("resp_{}", self.calls), &json!(output));
        self.gateway
            .ask("/v1/responses", &headers, &asked, answer)
            .await;
        self.input.extend(output.into_iter().map(sent_back));
    }
}

#[tokio::test]
async fn turns_with_encrypted_thoughts_are_stored_once() {
    for names in [
        ["session_id", "conversation_id"],
        ["session-id", "thread-id"],
    ] {
        let gateway = Gateway::start().await;
        let mut codex = Codex {
            gateway: &gateway,
            names,
            input: Vec::new(),
            calls: 0,
        };
        let environment = "<environment_context>\n<cwd>/src</cwd>\n</environment_context>";
        let opening = vec![
            said("developer", "Sandboxed."),
            said("user", environment),
            said("user", "What is here?"),
        ];
        let looking = answered("msg_0", "I look.");
        codex
            .turn(
                opening,
                vec![thought("rs_1"), looking, call("call_1", "ls")],
            )
            .await;
        codex
            .turn(
                vec![result("call_1", "lib.rs")],
                vec![thought("rs_2"), call("call_2", "cat lib.rs")],
            )
            .await;
        codex
            .turn(
                vec![result("call_2", "// empty")],
                vec![answered("msg_1", "An empty library.")],
            )
            .await;
        codex
            .turn(
                vec![said("user", "Thanks.")],
                vec![thought("rs_3"), answered("msg_2", "Welcome.")],
            )
            .await;

        let environment = format!("user: {environment}");
        let expected = [
            "system: You are Codex.",
            "developer: Sandboxed.",
            &environment,
            "user: What is here?",
            "assistant: I look. +call_1",
            "tool: lib.rs =call_1",
            "assistant:  +call_2",
            "tool: // empty =call_2",
            "assistant: An empty library.",
            "user: Thanks.",
            "assistant: Welcome.",
        ];
        assert_eq!(gateway.sessions("ada").await, [SESSION]);
        assert_eq!(gateway.reads(SESSION).await, expected);
        assert_eq!(gateway.counts(SESSION).await, (9, 2));
        let rows = gateway.rows(SESSION).await;
        let kept = |row: &&tower_recording::store::StoredMessage| {
            let other = row.message.other.as_deref().unwrap_or_default();
            other.contains("gAAAAArs_")
        };
        assert_eq!(rows.iter().filter(kept).count(), 3);

        // Its history is compacted to what the user said and a summary.
        codex.input = vec![
            said("user", "What is here?\nThanks."),
            said("user", "Summary: an empty library."),
        ];
        for (number, text) in ["Fill it.", "More."].into_iter().enumerate() {
            let answer = answered(&format!("msg_{}", number + 3), "Filled.");
            codex.turn(vec![said("user", text)], vec![answer]).await;
        }
        let expected = [
            "system: You are Codex.",
            "user: What is here?\nThanks.",
            "user: Summary: an empty library.",
            "user: Fill it.",
            "assistant: Filled.",
            "user: More.",
            "assistant: Filled.",
        ];
        assert_eq!(gateway.reads(SESSION).await, expected);
        assert_eq!(gateway.counts(SESSION).await, (9 + 6, 2 + 1));
    }
}
