//! A client that sends all that was said with every request.

use http::Version;
use serde_json::{Value, json};

use super::gateway::Gateway;
use crate::support::{HttpClient, chat, client, send};

/// What every request begins with.
pub(super) const SYSTEM: &str = "You answer questions about the weather at sea, and nothing else.";
pub(super) const SESSION: &str = "voyage";

/// A client and what it remembers.
pub(super) struct Client {
    http: HttpClient,
    messages: Vec<Value>,
    /// Bytes of all requests so far.
    pub(super) sent: usize,
}

impl Client {
    pub(super) fn new() -> Self {
        Self {
            http: client(Version::HTTP_11),
            messages: vec![json!({"role": "system", "content": SYSTEM})],
            sent: 0,
        }
    }

    /// One question and its answer, which is recorded when this returns.
    pub(super) async fn turn(&mut self, gateway: &Gateway) {
        let number = self.messages.len() / 2;
        let question = format!(
            "Question {number}: {}",
            "how high are the waves? ".repeat(12)
        );
        self.messages
            .push(json!({"role": "user", "content": question.trim()}));
        let body = json!({"model": "m", "messages": self.messages}).to_string();
        self.sent += body.len();
        let (head, body) = send(&self.http, chat(gateway.address, SESSION, body)).await;
        assert!(head.status.is_success());
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        self.messages.push(answer["choices"][0]["message"].clone());
        gateway.flush().await;
    }

    /// What was said, but for the system's part.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let said = self.messages.iter().skip(1);
        said.map(|message| message["content"].as_str().expect("text"))
    }
}
