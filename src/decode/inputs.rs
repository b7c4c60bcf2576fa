//! Texts that are to be completed or embedded, as messages of the user.

use super::{
    json::{self, Raw},
    limits::MAX_MESSAGES,
    media,
};
use crate::{
    conversation::{Message, Role},
    outcome::Truncated,
};

/// Reads a text, a list of texts, a list of tokens or a list of such lists; a message each. Tokens stand as
/// they were sent, with `other["encoding"]`.
pub(super) fn messages(source: Raw<'_>, keep_media: bool) -> (Vec<Message>, Truncated) {
    let source = source.get();
    let mut messages = Vec::new();
    let mut truncated = Truncated::No;
    let Some(elements) = source.strip_prefix('[') else {
        messages.extend(text(source, keep_media));
        return (messages, truncated);
    };
    let first = elements.trim_ascii_start();
    if first.starts_with(|first: char| first.is_ascii_digit()) {
        messages.push(tokens(source));
        return (messages, truncated);
    }
    json::elements(elements, |element, _| {
        if messages.len() >= MAX_MESSAGES {
            truncated = Truncated::Cap;
        } else if element.starts_with('[') {
            messages.push(tokens(element));
        } else {
            messages.extend(text(element, keep_media));
        }
    });
    (messages, truncated)
}

fn tokens(source: &str) -> Message {
    let mut message = Message::new(Role::User, source);
    message.other.insert("encoding".into(), "tokens".into());
    message
}

/// A text, or what else is shown: a picture, or parts of both.
fn text(source: &str, keep_media: bool) -> Option<Message> {
    match json::value(source) {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => {
            let stub = media::stub_url(&text).filter(|_| !keep_media);
            Some(Message::new(Role::User, stub.unwrap_or(text)))
        }
        mut value => {
            if !keep_media {
                media::stub_within(&mut value);
            }
            let mut message = Message::new(Role::User, said(&value));
            let content = serde_json::Value::Array(vec![value]);
            message.other.insert("content".into(), content);
            Some(message)
        }
    }
}

/// The text of an object that is to be embedded; Google has it in the parts of a content.
fn said(value: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| Some(value.get("text")?.as_str()?.to_owned());
    let content = value.get("content").unwrap_or(value);
    text(value).unwrap_or_else(|| {
        let parts = content.get("parts").and_then(serde_json::Value::as_array);
        let texts: Vec<String> = parts.into_iter().flatten().filter_map(text).collect();
        texts.join("\n")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Vec<String> {
        let source = serde_json::value::to_raw_value(&value).expect("JSON");
        let (messages, truncated) = messages(Raw::new(source.get()), false);
        assert_eq!(truncated, Truncated::No);
        messages
            .into_iter()
            .map(|message| message.content)
            .collect()
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(read(json!("a")), ["a"]);
        assert_eq!(read(json!(["a", "b"])), ["a", "b"]);
        assert_eq!(read(json!([1, 2])), ["[1,2]"]);
        assert_eq!(read(json!([[1, 2], [3]])), ["[1,2]", "[3]"]);
        assert_eq!(read(json!([{"text": "a"}])), ["a"]);
        assert!(read(json!([])).is_empty() && read(json!(null)).is_empty());
        let picture = read(json!("data:image/png;base64,aGVsbG8="));
        assert!(
            picture[0].starts_with("data:image/png;bytes=5;"),
            "{picture:?}"
        );
    }

    #[test]
    fn inputs_beyond_their_number_are_left_out() {
        let source = serde_json::value::to_raw_value(&vec!["x"; 20_000]).expect("JSON");
        let (messages, truncated) = messages(Raw::new(source.get()), false);
        assert_eq!((messages.len(), truncated), (MAX_MESSAGES, Truncated::Cap));
    }
}
