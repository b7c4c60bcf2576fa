//! Models behind InvokeModel that take a text and give one: Amazon's Titan, and older ones of Meta, Mistral,
//! Cohere and AI21.

use serde_json::{Map, Value};

use crate::{
    conversation::{Choice, Message, Reply, Role, Usage},
    decode::{json, limits::MAX_CHOICES},
};

/// A reply so far; most come whole, and some in pieces of the same form.
#[derive(Debug, Default)]
pub(super) struct Plain {
    texts: Vec<(String, Option<String>)>,
    usage: Usage,
    raw: Map<String, Value>,
    is_begun: bool,
}

impl Plain {
    /// Adds a document; false where it is none of these.
    pub(super) fn add(&mut self, source: &str) -> bool {
        let Some(Value::Object(members)) = json::read(source) else {
            return false;
        };
        let list = ["results", "outputs", "generations", "completions"]
            .into_iter()
            .find_map(|key| members.get(key).and_then(Value::as_array));
        let texts: Vec<_> = match list {
            Some(list) => list.iter().take(MAX_CHOICES).filter_map(text).collect(),
            None => object_text(&members).into_iter().collect(),
        };
        let found = !texts.is_empty();
        for (at, text) in texts.into_iter().enumerate() {
            self.grow(at, text);
        }
        if !found {
            return false;
        }
        self.is_begun = true;
        let counted = [&members]
            .into_iter()
            .chain(
                list.and_then(|list| list.first())
                    .and_then(Value::as_object),
            )
            .chain(
                members
                    .get("amazon-bedrock-invocationMetrics")
                    .and_then(Value::as_object),
            );
        for members in counted {
            self.count(members);
        }
        true
    }

    fn grow(&mut self, at: usize, (text, reason): (&str, Option<&str>)) {
        if self.texts.len() <= at {
            self.texts.push(Default::default());
        }
        if let Some((grown, finish)) = self.texts.get_mut(at) {
            grown.push_str(text);
            if let Some(reason) = reason {
                *finish = Some(reason.to_owned());
            }
        }
    }

    fn count(&mut self, members: &Map<String, Value>) {
        let usage = &mut self.usage;
        for (key, value) in members {
            let place = match key.as_str() {
                "inputTextTokenCount" | "prompt_token_count" | "inputTokenCount" => {
                    &mut usage.prompt_tokens
                }
                "totalOutputTextTokenCount"
                | "tokenCount"
                | "generation_token_count"
                | "outputTokenCount" => &mut usage.completion_tokens,
                _ => continue,
            };
            if let Some(tokens) = value.as_i64() {
                *place = Some(tokens);
                self.raw.insert(key.clone(), value.clone());
            }
        }
    }

    pub(super) fn finish(self, streamed: bool) -> Option<Reply> {
        let Self {
            texts,
            mut usage,
            raw,
            is_begun,
        } = self;
        if !raw.is_empty() {
            usage.raw = Some(Value::Object(raw).to_string());
        }
        let choices = (0..)
            .zip(texts)
            .map(|(index, (text, finish_reason))| Choice {
                index,
                message: Message::new(Role::Assistant, text),
                finish_reason,
            });
        is_begun.then(|| Reply {
            choices: choices.collect(),
            usage,
            streamed,
            ..Reply::default()
        })
    }
}

fn text(value: &Value) -> Option<(&str, Option<&str>)> {
    value.as_object().and_then(object_text)
}

fn object_text(members: &Map<String, Value>) -> Option<(&str, Option<&str>)> {
    let word = |key: &str| members.get(key).and_then(Value::as_str);
    let of_data = || {
        let data = members.get("data").and_then(Value::as_object)?;
        data.get("text").and_then(Value::as_str)
    };
    let text = ["outputText", "generation", "text"]
        .into_iter()
        .find_map(word)
        .or_else(of_data)?;
    let reason = [
        "completionReason",
        "stop_reason",
        "finish_reason",
        "stopReason",
    ]
    .into_iter()
    .find_map(word)
    .or_else(|| members.get("finishReason")?.get("reason")?.as_str());
    Some((text, reason))
}
