//! Deltas that are known but for the text that they add.

use std::borrow::Cow;

use super::wire::Block;
use crate::json::{self, Echo, Field, Padding};

/// The last delta that did nothing but grow one text.
pub(super) struct Known {
    echo: Echo,
    index: Option<i64>,
    grown: Grown,
}

/// What a delta grows.
#[derive(Clone, Copy)]
pub(super) enum Grown {
    Text,
    Reasoning,
    Input,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            echo: Echo::padded(Padding::P),
            index: None,
            grown: Grown::Text,
        }
    }
}

impl Known {
    /// Learns a delta of the block of this index, where it is one.
    pub(super) fn learn(&mut self, event: &str, index: Option<i64>, delta: &Block<'_>) {
        let Some((grown, text)) = grown(delta) else {
            return;
        };
        self.echo.learn(event, text, None);
        (self.index, self.grown) = (index, grown);
    }

    /// The index of the block that an event grows, where the event is known, and what it adds to what.
    pub(super) fn text<'e>(&self, event: &'e str) -> Option<(Option<i64>, Grown, Cow<'e, str>)> {
        let text = self.echo.text(event)?;
        Some((self.index, self.grown, text))
    }
}

/// What a delta grows, and by what, where it does nothing else.
fn grown<'d>(delta: &'d Block<'_>) -> Option<(Grown, &'d str)> {
    let Block {
        text,
        tool_use,
        tool_result: None,
        reasoning,
        rest,
    } = delta
    else {
        return None;
    };
    if !rest.is_empty() {
        return None;
    }
    match (text, reasoning.as_deref(), tool_use.as_deref()) {
        (Field::Text(text), None, None) => Some((Grown::Text, text)),
        (Field::Null, Some(reasoning), None) => match (&reasoning.text, &reasoning.signature) {
            (Field::Text(text), Field::Null) => {
                let is_all = matches!(reasoning.redacted, Field::Null);
                is_all.then_some((Grown::Reasoning, text.as_ref()))
            }
            _ => None,
        },
        (Field::Null, None, Some(used)) => {
            let is_piece = matches!((&used.id, &used.name), (Field::Null, Field::Null));
            let is_all = is_piece && used.rest.is_empty();
            let input = used.input.filter(|_| is_all)?;
            Some((Grown::Input, json::plain(input)?))
        }
        _ => None,
    }
}
