//! Deltas that are known but for the text that they add.

use std::borrow::Cow;

use super::wire::Delta;
use crate::json::{Echo, Field, Padding};

/// The last delta that did nothing but grow one text.
pub(super) struct Known {
    echo: Echo,
    index: Option<i64>,
    grown: Grown,
}

/// What a delta grows.
#[derive(Clone, Copy, Default)]
pub(super) enum Grown {
    #[default]
    Text,
    Thinking,
    Input,
    Summary,
}

impl Grown {
    /// The kind of a block of which the beginning is missing.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Thinking => "thinking",
            Self::Input => "tool_use",
            Self::Summary => "compaction",
        }
    }
}

impl Default for Known {
    fn default() -> Self {
        Self {
            echo: Echo::padded(Padding::P),
            index: None,
            grown: Grown::default(),
        }
    }
}

impl Known {
    /// Learns a delta of the block of this index, where it is one.
    pub(super) fn learn(&mut self, event: &str, index: Option<i64>, delta: &Delta<'_>) {
        let Delta {
            text,
            thinking,
            partial_json,
            signature: Field::Null,
            content: Field::Null,
            citation: None,
            stop_reason: _,
            rest,
        } = delta
        else {
            return;
        };
        let (grown, text) = match (text, thinking, partial_json) {
            (Field::Text(text), Field::Null, Field::Null) => (Grown::Text, text),
            (Field::Null, Field::Text(text), Field::Null) => (Grown::Thinking, text),
            (Field::Null, Field::Null, Field::Text(text)) => (Grown::Input, text),
            _ => return,
        };
        if rest.is_empty() {
            self.echo.learn(event, text, None);
            (self.index, self.grown) = (index, grown);
        }
    }

    /// The index of the block that an event grows, where the event is known, and what it adds to what.
    pub(super) fn text<'e>(&self, event: &'e str) -> Option<(Option<i64>, Grown, Cow<'e, str>)> {
        let text = self.echo.text(event)?;
        Some((self.index, self.grown, text))
    }
}
