//! LibreChat: an answer is asked for again, and the talk goes on from either.

use serde_json::{Value, json};

use super::{
    fixture::{Gateway, Headers},
    models::chat_stream,
};

struct Chat<'a> {
    gateway: &'a Gateway,
    headers: Headers<'a>,
    asked: usize,
}

impl Chat<'_> {
    async fn ask(&mut self, history: &[&str], answer: &str) {
        self.asked += 1;
        let messages: Vec<Value> = history
            .iter()
            .enumerate()
            .map(|(number, text)| {
                let role = if number % 2 == 0 { "user" } else { "assistant" };
                json!({"role": role, "content": text})
            })
            .collect();
        let asked = json!({
            "model": "gpt-4.1", "stream": true, "user": "6650f", "messages": messages,
            "stream_options": {"include_usage": true},
        });
        let message = json!({"role": "assistant", "content": answer});
        let answer = chat_stream(&format!("chatcmpl-{}", self.asked), &message);
        self.gateway
            .ask("/v1/chat/completions", self.headers, &asked, answer)
            .await;
    }
}

/// What the chat shows, where this was said.
fn shown(history: &[&str]) -> Vec<String> {
    let numbered = history.iter().enumerate();
    let lines = numbered.map(|(number, text)| match number % 2 {
        0 => format!("user: {text}"),
        _ => format!("assistant: {text}"),
    });
    lines.collect()
}

#[tokio::test]
async fn an_answer_that_is_asked_for_again_is_a_sibling() {
    for session in [Some("convo-1"), None] {
        let gateway = Gateway::start().await;
        let mut headers = vec![("x-user-id", "ada")];
        headers.extend(session.map(|session| ("x-conversation-id", session)));
        let mut chat = Chat {
            gateway: &gateway,
            headers: &headers,
            asked: 0,
        };
        chat.ask(&["Name a town."], "Oslo.").await;
        let asked = ["Name a town.", "Oslo.", "Another."];
        chat.ask(&asked, "Rome.").await;
        let sessions = gateway.sessions("ada").await;
        let [found] = &sessions[..] else {
            panic!("{sessions:?}")
        };
        assert_eq!(
            gateway.reads(found).await,
            shown(&[&asked[..], &["Rome."]].concat())
        );

        for answer in ["Paris.", "Bergen."] {
            chat.ask(&asked, answer).await;
            let now = [&asked[..], &[answer]].concat();
            assert_eq!(gateway.reads(found).await, shown(&now));
        }
        assert_eq!(gateway.counts(found).await, (4 + 2, 0));
        let rows = gateway.rows(found).await;
        let question = rows.iter().find(|row| row.message.content == "Another.");
        let question = question.expect("the question").message.id;
        let siblings = rows
            .iter()
            .filter(|row| row.message.parent_id == Some(question));
        let siblings: Vec<&str> = siblings.map(|row| row.message.content.as_str()).collect();
        assert_eq!(siblings, ["Rome.", "Paris.", "Bergen."]);

        // The talk goes on from the second of the three.
        let onward = [&asked[..], &["Paris.", "A third."]].concat();
        chat.ask(&onward, "Lyon.").await;
        let now = [&onward[..], &["Lyon."]].concat();
        assert_eq!(gateway.reads(found).await, shown(&now));
        assert_eq!(gateway.counts(found).await, (6 + 2, 0));

        // The question itself is edited.
        let edited = ["Name a town.", "Oslo.", "Another one in Italy."];
        chat.ask(&edited, "Rome.").await;
        let now = [&edited[..], &["Rome."]].concat();
        assert_eq!(gateway.reads(found).await, shown(&now));
        assert_eq!(gateway.counts(found).await, (8 + 2, 0));
        assert_eq!(gateway.sessions("ada").await.len(), 1);
    }
}
