//! Open WebUI: it asks for titles, tags and more questions under the chat's own id.

use serde_json::{Value, json};

use super::{
    fixture::Gateway,
    models::{chat, chat_stream},
};

const PATH: &str = "/openai/chat/completions";
const HEADERS: [(&str, &str); 5] = [
    ("x-openwebui-user-name", "Ada"),
    ("x-openwebui-user-id", "ada"),
    ("x-openwebui-user-email", "ada@example.org"),
    ("x-openwebui-user-role", "user"),
    ("x-openwebui-chat-id", "chat-1"),
];

fn asked(stream: bool, messages: &[(&str, &str)]) -> Value {
    let messages: Vec<Value> = messages
        .iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect();
    json!({"model": "llama", "stream": stream, "messages": messages})
}

fn said(content: &str) -> Value {
    json!({"role": "assistant", "content": content})
}

/// What is asked beside the chat, and answered as JSON.
async fn side_request(gateway: &Gateway, task: &str, history: &[(&str, &str)], answer: &str) {
    let history: Vec<String> = history
        .iter()
        .map(|(role, content)| format!("{}: {content}", role.to_uppercase()))
        .collect();
    let prompt = format!(
        "### Task:\n{task}\n### Guidelines:\n- JSON only.\n### Chat History:\n<chat_history>\n{}\n</chat_history>",
        history.join("\n")
    );
    let asked = asked(false, &[("user", &prompt)]);
    gateway
        .ask(PATH, &HEADERS, &asked, chat("chatcmpl-t", &said(answer)))
        .await;
}

#[tokio::test]
async fn side_requests_are_no_turns_of_the_chat() {
    let gateway = Gateway::start().await;
    let mut history = vec![("user", "Why is the sky blue?")];
    let answer = chat_stream("chatcmpl-1", &said("Air scatters blue light."));
    gateway
        .ask(PATH, &HEADERS, &asked(true, &history), answer)
        .await;
    history.push(("assistant", "Air scatters blue light."));
    for (task, answer) in [
        (
            "Suggest 3-5 relevant follow-up questions.",
            r#"{"follow_ups": ["And red?"]}"#,
        ),
        (
            "Generate a concise, 3-5 word title.",
            r#"{"title": "Blue Sky"}"#,
        ),
        ("Generate 1-3 broad tags.", r#"{"tags": ["physics"]}"#),
    ] {
        side_request(&gateway, task, &history, answer).await;
    }
    history.push(("user", "And red?"));
    let answer = chat_stream("chatcmpl-2", &said("At dusk."));
    gateway
        .ask(PATH, &HEADERS, &asked(true, &history), answer)
        .await;
    history.push(("assistant", "At dusk."));
    let task = "Suggest 3-5 relevant follow-up questions.";
    side_request(&gateway, task, &history, r#"{"follow_ups": []}"#).await;

    let turns = [
        "user: Why is the sky blue?",
        "assistant: Air scatters blue light.",
        "user: And red?",
        "assistant: At dusk.",
    ];
    assert_eq!(gateway.reads("chat-1").await, turns);
    assert_eq!(gateway.counts("chat-1").await, (4, 0));
    assert_eq!(gateway.title("chat-1").await, "Why is the sky blue?");
    assert_eq!(gateway.sessions("ada").await, ["chat-1", "chat-1:task"]);
    assert_eq!(gateway.counts("chat-1:task").await, (8, 0));
    assert_eq!(
        gateway.parent("chat-1:task").await.as_deref(),
        Some("chat-1")
    );
    assert_eq!(gateway.parent("chat-1").await, None);
}

#[tokio::test]
async fn a_user_who_writes_like_a_side_request_is_heard() {
    let gateway = Gateway::start().await;
    let question = "### Task:\nTranslate this.";
    let answer = chat_stream("chatcmpl-1", &said("What?"));
    gateway
        .ask(PATH, &HEADERS, &asked(true, &[("user", question)]), answer)
        .await;
    let read = gateway.reads("chat-1").await;
    assert_eq!(
        read,
        ["user: ### Task:\nTranslate this.", "assistant: What?"]
    );
}
