//! Deltas that are known but for the text that they add.

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
enum Grown {
    #[default]
    Text,
    Thinking,
    Input,
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

    /// The delta that an event is, where it is known, and the index of its block.
    pub(super) fn delta<'e>(&self, event: &'e str) -> Option<(Option<i64>, Delta<'e>)> {
        let text = Field::Text(self.echo.text(event)?);
        let mut delta = Delta::default();
        match self.grown {
            Grown::Text => delta.text = text,
            Grown::Thinking => delta.thinking = text,
            Grown::Input => delta.partial_json = text,
        }
        Some((self.index, delta))
    }
}
