//! What was said, in the form in which the conventions put it into attributes: JSON of messages and their
//! parts.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::conversation::{Choice, Message, Prompt, Reply, Role, ToolCall};

/// What one list takes at most: collectors refuse spans that are much larger, and each takes from the budget
/// until it is written.
const MAX_LIST_BYTES: usize = 64 << 10;

/// Arguments that are nested more deeply stand as a string: whoever reads the list could not.
const MAX_ARGUMENTS_DEPTH: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// What the application told the model before anybody spoke.
    pub(super) instructions: Option<String>,
    pub(super) input: String,
    pub(super) output: String,
}

impl Content {
    pub(super) fn of(prompt: &Prompt, reply: &Reply) -> Self {
        let instructions: Vec<Part<'_>> = prompt.instructions.iter().flat_map(parts).collect();
        let left_out = |count| Part::LeftOut { count };
        Self {
            instructions: (!instructions.is_empty())
                .then(|| list(instructions.into_iter(), left_out)),
            input: list(prompt.messages.iter().map(Said::of), Said::left_out),
            output: list(reply.choices.iter().map(Said::answer), Said::left_out),
        }
    }

    pub(super) fn weight(&self) -> usize {
        let instructions = self.instructions.as_ref().map_or(0, String::len);
        instructions + self.input.len() + self.output.len()
    }
}

/// The last items that there is room for, behind a note of how many are left out.
fn list<T: Item>(
    items: impl DoubleEndedIterator<Item = T> + ExactSizeIterator,
    left_out: impl Fn(usize) -> T,
) -> String {
    let all = items.len();
    let mut room = MAX_LIST_BYTES;
    let fitting = items.rev().map_while(|item| {
        if item.bytes() > room {
            return None;
        }
        let json = serde_json::to_string(&item).ok()?;
        room = room.checked_sub(json.len() + 1)?;
        Some(json)
    });
    let mut kept: Vec<String> = fitting.collect();
    if kept.len() < all {
        kept.extend(serde_json::to_string(&left_out(all - kept.len())));
    }
    kept.reverse();
    format!("[{}]", kept.join(","))
}

trait Item: Serialize {
    /// The bytes of its texts, of which its JSON has no fewer.
    fn bytes(&self) -> usize;
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'a str,
    parts: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text {
        content: &'a str,
    },
    Reasoning {
        content: &'a str,
    },
    ToolCall {
        id: Option<&'a str>,
        name: &'a str,
        arguments: Arguments<'a>,
    },
    ToolCallResponse {
        id: Option<&'a str>,
        response: &'a str,
    },
    /// In place of so many parts, or messages.
    LeftOut {
        count: usize,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Arguments<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> Said<'a> {
    fn of(message: &'a Message) -> Self {
        Self {
            role: message.role.as_str(),
            parts: parts(message),
            finish_reason: None,
        }
    }

    fn answer(choice: &'a Choice) -> Self {
        Self {
            finish_reason: choice.finish_reason.as_deref(),
            ..Self::of(&choice.message)
        }
    }

    fn left_out(count: usize) -> Self {
        Self {
            role: "system",
            parts: vec![Part::LeftOut { count }],
            finish_reason: None,
        }
    }
}

impl Item for Said<'_> {
    fn bytes(&self) -> usize {
        self.parts.iter().map(Item::bytes).sum()
    }
}

impl Item for Part<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Text { content } | Self::Reasoning { content } => content.len(),
            Self::ToolCallResponse { response, .. } => response.len(),
            Self::ToolCall {
                name, arguments, ..
            } => name.len() + arguments.source().len(),
            Self::LeftOut { .. } => 0,
        }
    }
}

impl<'a> Arguments<'a> {
    /// They stand as they came, unparsed: numbers keep their digits. What is no JSON is a string.
    fn of(call: &'a ToolCall) -> Self {
        let json = serde_json::from_str(&call.arguments);
        match json {
            Ok(json) if is_shallow(&call.arguments) => Self::Json(json),
            _ => Self::Text(&call.arguments),
        }
    }

    fn source(&self) -> &'a str {
        match self {
            Self::Json(json) => json.get(),
            Self::Text(text) => text,
        }
    }
}

fn is_shallow(json: &str) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    json.bytes().all(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= MAX_ARGUMENTS_DEPTH
    })
}

fn parts(message: &Message) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let says = |text: &&str| !text.is_empty();
    let reasoning = message.reasoning.as_deref().filter(says);
    parts.extend(reasoning.map(|content| Part::Reasoning { content }));
    let content = Some(message.content.as_str()).filter(|_| message.role != Role::Tool);
    let texts = [content, message.refusal.as_deref()];
    let texts = texts.into_iter().flatten().filter(says);
    parts.extend(texts.map(|content| Part::Text { content }));
    if message.role == Role::Tool {
        parts.push(Part::ToolCallResponse {
            id: message.tool_call_id.as_deref(),
            response: &message.content,
        });
    }
    parts.extend(message.tool_calls.iter().map(|call| Part::ToolCall {
        id: call.id.as_deref(),
        name: &call.name,
        arguments: Arguments::of(call),
    }));
    parts
}

#[cfg(test)]
mod tests;
