//! A message that comes as a list of blocks, gathered into one text, its thinking and its calls.

use std::{borrow::Cow, ops::Range};

use serde_json::{Map, Value, json};

use super::{json, limits::MAX_TOOL_CALLS, media};
use crate::conversation::{Message, Role, ToolCall};

/// The blocks of one message so far.
///
/// Where some are media, `other["content"]` holds them and the texts between them. Where some are anything
/// else, or carry more than their text (citations, signatures), what is kept as `blocks` is all of them in their
/// order, without what stands in the message already: the thinking, the arguments of the calls, and the text
/// where there is but one. `other["tool_calls"]` holds what calls carry besides, each with the `index` of
/// its call.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    extras: Vec<Value>,
    kept: Vec<Kept>,
    /// What stands between texts.
    joint: &'static str,
    has_media: bool,
    /// Something has no place but among the `blocks`.
    has_more: bool,
}

#[derive(Debug)]
enum Kept {
    Text(Range<usize>, Map<String, Value>),
    Reasoning(Map<String, Value>),
    Call(usize),
    Media(Value),
    Other(json::Kept),
}

impl Blocks {
    /// For the messages of this role: an answer's texts are one text, whether it is given or sent back.
    pub(super) fn of(role: &Role) -> Self {
        Self {
            joint: if *role == Role::Assistant { "" } else { "\n" },
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn text<'a>(&mut self, text: impl Into<Cow<'a, str>>, more: Map<String, Value>) {
        let text = text.into();
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push_str(self.joint);
        }
        let start = self.text.len();
        append(&mut self.text, text);
        self.has_more |= !more.is_empty();
        self.kept.push(Kept::Text(start..self.text.len(), more));
    }

    pub(super) fn reasoning<'a>(
        &mut self,
        text: impl Into<Cow<'a, str>>,
        more: Map<String, Value>,
    ) {
        append(&mut self.reasoning, text.into());
        self.has_more |= !more.is_empty();
        self.kept.push(Kept::Reasoning(more));
    }

    /// Adds a call; false where it is one too many.
    pub(super) fn call(&mut self, call: ToolCall, mut more: Map<String, Value>) -> bool {
        let index = self.calls.len();
        if index >= MAX_TOOL_CALLS {
            return false;
        }
        if !more.is_empty() {
            more.insert("index".to_owned(), index.into());
            self.extras.push(Value::Object(more));
        }
        self.kept.push(Kept::Call(index));
        self.calls.push(call);
        true
    }

    /// Adds what was shown.
    pub(super) fn media(&mut self, block: Value) {
        self.has_media = true;
        self.kept.push(Kept::Media(block));
    }

    /// Adds what is neither text nor call nor media, as the provider has it.
    pub(super) fn other(&mut self, block: Value) {
        self.sent(block.into());
    }

    /// Adds the same where it was not parsed; there is no media in it.
    pub(super) fn sent(&mut self, block: json::Kept) {
        self.has_more = true;
        self.kept.push(Kept::Other(block));
    }

    pub(super) fn finish(self, role: Role, keep_media: bool) -> Message {
        let Self {
            text,
            reasoning,
            calls,
            extras,
            kept,
            joint: _,
            has_media,
            has_more,
        } = self;
        let mut message = Message::new(role, "");
        let texts = |kept: &&Kept| matches!(kept, Kept::Text(..));
        let is_split = kept.iter().filter(texts).nth(1).is_some();
        let part = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
        if has_media {
            let shown = kept.iter().filter_map(|kept| match kept {
                Kept::Text(range, _) => Some(json!({"type": "text", "text": part(range)})),
                Kept::Media(block) => Some(block.clone()),
                _ => None,
            });
            message.other.insert("content".to_owned(), shown.collect());
        }
        if has_more {
            let block = |kind: &str, mut more: Map<String, Value>| {
                more.insert("type".to_owned(), kind.into());
                Value::Object(more).into()
            };
            let all = kept.into_iter().map(|kept| match kept {
                Kept::Text(range, mut more) => {
                    if is_split {
                        more.insert("text".to_owned(), part(&range).into());
                    }
                    block("text", more)
                }
                Kept::Reasoning(more) => block("thinking", more),
                Kept::Call(index) => {
                    let id = calls.get(index).and_then(|call| call.id.as_deref());
                    json!({"type": "tool_use", "id": id}).into()
                }
                Kept::Media(block) => block.into(),
                Kept::Other(block) => block,
            });
            let mut all: Vec<json::Kept> = all.collect();
            if !keep_media {
                for block in &mut all {
                    if let json::Kept::Value(block) = block {
                        media::stub_within(block);
                    }
                }
            }
            message.keep([("blocks".to_owned(), json::Kept::List(all))]);
        }
        if !extras.is_empty() {
            message
                .other
                .insert("tool_calls".to_owned(), Value::Array(extras));
        }
        if !keep_media {
            media::stub_members(&mut message.other);
        }
        let stub = media::stub_url(&text).filter(|_| !keep_media);
        message.content = stub.unwrap_or(text);
        message.tool_calls = calls;
        message.reasoning = Some(reasoning).filter(|text| !text.is_empty());
        message
    }
}

/// Adds to a text; the first of it is not copied where it need not be.
fn append(grown: &mut String, text: Cow<'_, str>) {
    match text {
        Cow::Owned(text) if grown.is_empty() => *grown = text,
        text => grown.push_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("no object: {other}"),
        }
    }

    #[test]
    fn plain_blocks_leave_nothing_besides() {
        let mut blocks = Blocks::of(&Role::Assistant);
        blocks.reasoning("hm", Map::new());
        blocks.text("a", Map::new());
        blocks.text("b", Map::new());
        assert!(blocks.call(ToolCall::default(), Map::new()));
        let message = blocks.finish(Role::Assistant, false);
        assert_eq!(
            (message.content.as_str(), message.reasoning.as_deref()),
            ("ab", Some("hm"))
        );
        assert_eq!(message.tool_calls.len(), 1);
        assert!(message.other.is_empty() && message.kept.is_empty());
    }

    #[test]
    fn what_carries_more_keeps_the_order() {
        let mut blocks = Blocks::of(&Role::Assistant);
        blocks.text("a", map(json!({"citations": [1]})));
        blocks.other(json!({"type": "server_tool_use"}));
        blocks.text("b", Map::new());
        assert!(blocks.call(ToolCall::default(), map(json!({"caller": 1}))));
        let mut message = blocks.finish(Role::Assistant, false);
        assert_eq!(
            Value::Object(message.take_other()),
            json!({
                "blocks": [
                    {"type": "text", "text": "a", "citations": [1]}, {"type": "server_tool_use"},
                    {"type": "text", "text": "b"}, {"type": "tool_use", "id": null},
                ],
                "tool_calls": [{"index": 0, "caller": 1}],
            })
        );
    }

    #[test]
    fn media_stand_between_their_texts() {
        let mut blocks = Blocks::of(&Role::User);
        blocks.text("a", Map::new());
        blocks.media(json!({"type": "image", "url": "u"}));
        blocks.text("b", Map::new());
        let message = blocks.finish(Role::User, false);
        assert_eq!(message.content, "a\nb");
        assert_eq!(
            message.other["content"],
            json!([{"type": "text", "text": "a"}, {"type": "image", "url": "u"}, {"type": "text", "text": "b"}])
        );
        assert_eq!(message.other.len(), 1);
    }
}
