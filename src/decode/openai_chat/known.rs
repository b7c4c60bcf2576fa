//! Chunks that are known but for the text that they add.

use std::borrow::Cow;

use super::wire::{Choice, Message, Rare};
use crate::json::{Echo, Field, Padding};

/// The last chunk, where it did nothing but grow the text of one choice.
pub(super) struct Known {
    echo: Echo,
    index: i64,
    is_thought: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            echo: Echo::padded(Padding::Obfuscation),
            index: 0,
            is_thought: false,
        }
    }
}

impl Known {
    pub(super) fn forget(&mut self) {
        self.echo.forget();
    }

    /// Learns a chunk of this one choice, where it is one. The choice was read from a source with which the chunk
    /// ends.
    pub(super) fn learn(&mut self, chunk: &str, source: &str, choice: &Choice<'_>) {
        if let Some((text, is_thought)) = grown(choice)
            && let Some(text) = within(chunk, source, text)
        {
            self.echo.learn(chunk, text, None);
            self.index = super::index(&choice.index).unwrap_or_default();
            self.is_thought = is_thought;
        }
    }

    /// The choice that a chunk grows, where the chunk is known, whether it grows its thinking, and by what.
    pub(super) fn text<'e>(&self, chunk: &'e str) -> Option<(i64, bool, Cow<'e, str>)> {
        let text = self.echo.text(chunk)?;
        Some((self.index, self.is_thought, text))
    }
}

/// What grows, and whether that is thinking.
fn grown<'c>(choice: &'c Choice<'_>) -> Option<(&'c str, bool)> {
    let Choice {
        index: _,
        delta,
        message: None,
        text,
        finish_reason: _,
        stop_reason: _,
        usage: _,
        error: None,
        rest: _,
    } = choice
    else {
        return None;
    };
    match (delta, text) {
        (Some(delta), Field::Null) => delta.only_text(),
        (None, Field::Text(text)) => Some((text, false)),
        _ => None,
    }
}

/// The text that was borrowed from the source, where it stands in the chunk.
fn within<'c>(chunk: &'c str, source: &str, text: &str) -> Option<&'c str> {
    let start = text.as_ptr().addr().checked_sub(source.as_ptr().addr())?;
    let from_end = source.len().checked_sub(start)?;
    let rest = chunk.get(chunk.len().checked_sub(from_end)?..)?;
    rest.get(..text.len())
}

impl Message<'_> {
    /// The text that it has, and whether that is thought, where it has nothing else.
    pub(in crate::decode) fn only_text(&self) -> Option<(&str, bool)> {
        let Self {
            role: _,
            content,
            is_cut: false,
            tool_calls: None,
            rare,
            rest,
        } = self
        else {
            return None;
        };
        if !rest.is_empty() {
            return None;
        }
        let thought = match rare {
            Some(rare) => Some(rare.only_thought()?),
            None => None,
        };
        match (content, thought) {
            (Field::Text(text), None) => Some((text, false)),
            (Field::Text(text), Some(thought)) if text.is_empty() => Some((thought, true)),
            (Field::Null, Some(thought)) => Some((thought, true)),
            _ => None,
        }
    }
}

impl Rare<'_> {
    fn only_thought(&self) -> Option<&str> {
        let Self {
            reasoning_content,
            reasoning,
            thinking,
            refusal: Field::Null,
            function_call: None,
            tool_call_id: Field::Null,
        } = self
        else {
            return None;
        };
        match (reasoning_content, reasoning, thinking) {
            (Field::Text(text), Field::Null, Field::Null)
            | (Field::Null, Field::Text(text), Field::Null)
            | (Field::Null, Field::Null, Field::Text(text)) => Some(text),
            _ => None,
        }
    }
}
