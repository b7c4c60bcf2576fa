//! What hints at a conversation and names none: it counts only where the history agrees.

use serde_json::{Value, json};
use tower_recording::{DEFAULT_HINT_NAMES, RecordingLayerBuilder, store::ExchangeRows};

use super::Talk;
use crate::support::send;

fn user(text: &str) -> Value {
    json!({ "role": "user", "content": text })
}

fn assistant(text: &str) -> Value {
    json!({ "role": "assistant", "content": text })
}

/// The second turn of a conversation in which the model has answered the first one.
fn second(first: &str) -> Value {
    json!([user(first), assistant("hi"), user("and then?")])
}

impl Talk {
    /// Says this from one address with a hint, in a header or in the body as its name says, and with
    /// these headers.
    async fn hint(
        &self,
        (name, value): (&str, &str),
        headers: &[(&str, &str)],
        messages: Value,
    ) -> ExchangeRows {
        let mut body = json!({ "model": "m", "messages": messages });
        let uri = format!("http://{}/v1/chat/completions", self.address);
        let mut request = http::Request::post(uri)
            .header("content-type", "application/json")
            .header("x-forwarded-for", "192.0.2.7");
        match name.strip_prefix("body:") {
            Some(member) => body[member] = value.into(),
            None => request = request.header(name, value),
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_string().into()).expect("a request");
        send(&self.client, request).await;
        let mut rows = self.shelf.take(&self.recorder).await;
        assert_eq!(rows.len(), 1, "{name}");
        rows.remove(0)
    }
}

#[tokio::test]
async fn a_hint_finds_the_history_of_a_client_without_a_name() {
    for name in DEFAULT_HINT_NAMES {
        let talk = Talk::new().await;
        let first = talk.hint((name, "h-1"), &[], json!([user("hello")])).await;
        assert_eq!(first.conversation.session_source, "generated", "{name}");
        assert_ne!(first.conversation.session_id, "h-1", "{name}");
        let then = talk.hint((name, "h-1"), &[], second("hello")).await;
        assert_eq!(then.conversation.id, first.conversation.id, "{name}");
        assert_eq!(then.conversation.session_source, "inferred", "{name}");
        assert_eq!(then.messages.len(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_hint_merges_nobody_and_splits_nothing() {
    for name in DEFAULT_HINT_NAMES {
        let talk = Talk::new().await;
        let first = talk.hint((name, "h-1"), &[], json!([user("hello")])).await;
        // Another conversation of the same window or application.
        let other = talk.hint((name, "h-1"), &[], json!([user("hello")])).await;
        assert_ne!(other.conversation.id, first.conversation.id, "{name}");
        let edited = talk.hint((name, "h-1"), &[], second("good day")).await;
        assert_ne!(edited.conversation.id, first.conversation.id, "{name}");
        // The same words from somebody else.
        let else_ = talk.hint((name, "h-2"), &[], second("hello")).await;
        assert_ne!(else_.conversation.id, other.conversation.id, "{name}");

        // Who has a name needs no hint: one a request does not split his conversation.
        let ada = [("x-user-id", "ada")];
        let first = talk.hint((name, "t-1"), &ada, json!([user("hello")])).await;
        let then = talk.hint((name, "t-2"), &ada, second("hello")).await;
        assert_eq!(then.conversation.id, first.conversation.id, "{name}");
        let bob = [("x-user-id", "bob")];
        let his = talk.hint((name, "t-2"), &bob, second("hello")).await;
        assert_ne!(his.conversation.id, first.conversation.id, "{name}");
    }
}

#[tokio::test]
async fn without_an_address_a_hint_is_everybodys_and_says_nothing() {
    let talk = Talk::new().await;
    let hint = [("vscode-sessionid", "window")];
    let first = talk.rows(&hint, json!([user("hello")])).await;
    let then = talk.rows(&hint, second("hello")).await;
    assert_ne!(then[0].conversation.id, first[0].conversation.id);
}

#[tokio::test]
async fn without_hints_a_client_without_a_name_begins_anew() {
    let none = |builder: RecordingLayerBuilder| builder.hint_names([""; 0]);
    let talk = Talk::with(none).await;
    let hint = ("vscode-sessionid", "window");
    let first = talk.hint(hint, &[], json!([user("hello")])).await;
    let then = talk.hint(hint, &[], second("hello")).await;
    assert_ne!(then.conversation.id, first.conversation.id);
    assert_eq!(then.conversation.session_source, "generated");
}

#[tokio::test]
async fn codex_names_its_conversation_by_the_cache_key() {
    let talk = Talk::new().await;
    let key = ("body:prompt_cache_key", "0199c0de");
    for originator in ["codex_cli_rs", "codex_exec", "Codex Desktop"] {
        let codex = [("originator", originator)];
        let rows = talk.hint(key, &codex, json!([user("hello")])).await;
        assert_eq!(rows.conversation.session_id, "0199c0de", "{originator}");
        assert_eq!(
            rows.conversation.session_source,
            "body:prompt_cache_key of codex"
        );
        assert!(rows.conversation.sends_history);
    }
    for originator in ["code", "my-codex"] {
        let other = [("originator", originator)];
        let rows = talk.hint(key, &other, json!([user("hello")])).await;
        assert_eq!(
            rows.conversation.session_source, "generated",
            "{originator}"
        );
    }
}

#[tokio::test]
async fn a_cache_key_that_the_operator_takes_for_a_name_promises_no_history() {
    let name = "body:prompt_cache_key";
    let talk = Talk::with(|builder| builder.session_names([name])).await;
    let rows = talk.hint((name, "k-1"), &[], json!([user("hello")])).await;
    assert_eq!(rows.conversation.session_id, "k-1");
    assert_eq!(rows.conversation.session_source, name);
    assert!(!rows.conversation.sends_history);
}
