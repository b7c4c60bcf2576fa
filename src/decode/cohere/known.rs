//! Events that are known but for the text that they add.

use std::borrow::Cow;

use super::event::{Content, Delta, Event, Piece};
use crate::json::{self, Echo, Field};

/// The last event that did nothing but grow one text.
#[derive(Default)]
pub(super) struct Known {
    echo: Echo,
    grown: Grown,
}

/// What an event grows.
#[derive(Clone, Copy, Default)]
pub(super) enum Grown {
    #[default]
    Text,
    Thinking,
    Plan,
    /// Of the call of this index.
    Arguments(i64),
}

impl Known {
    /// Learns an event of this kind, where it is one, and forgets the one before.
    pub(super) fn learn(&mut self, source: &str, kind: &str, event: &Event<'_>) {
        match grown(kind, event) {
            Some((grown, text)) => {
                self.echo.learn(source, text, None);
                self.grown = grown;
            }
            None => self.echo.forget(),
        }
    }

    /// What an event adds, where it is known, and to what.
    pub(super) fn text<'e>(&self, event: &'e str) -> Option<(Grown, Cow<'e, str>)> {
        Some((self.grown, self.echo.text(event)?))
    }
}

/// What an event grows, and by what, where it does nothing else that counts twice.
fn grown<'e>(kind: &str, event: &'e Event<'_>) -> Option<(Grown, &'e str)> {
    let Event {
        kind: _,
        id: _,
        index,
        text,
        delta,
        finish_reason: _,
        calls: None,
        call_delta: None,
        response: None,
        error: _,
        message: _,
        vendor,
    } = event
    else {
        return None;
    };
    if !vendor.is_empty() {
        return None;
    }
    match (text, delta) {
        (Field::Text(text), None) if kind == "text-generation" => Some((Grown::Text, text)),
        (Field::Null, Some(delta)) => grown_by(delta, *index),
        _ => None,
    }
}

fn grown_by<'e>(delta: &'e Delta<'_>, index: Option<i64>) -> Option<(Grown, &'e str)> {
    let Delta {
        message: Some(piece),
        finish_reason: _,
        usage: None,
        error: None,
    } = delta
    else {
        return None;
    };
    let Piece {
        role: _,
        content,
        tool_plan,
        call,
        citation: None,
    } = piece
    else {
        return None;
    };
    match (content, tool_plan, call) {
        (Some(Content { text, thinking }), Field::Null, None) => match (text, thinking) {
            (Field::Text(text), Field::Null) => Some((Grown::Text, text)),
            (Field::Null, Field::Text(text)) => Some((Grown::Thinking, text)),
            _ => None,
        },
        (None, Field::Text(plan), None) => Some((Grown::Plan, plan)),
        (None, Field::Null, Some(call)) => {
            let function = call.function.as_ref().filter(|_| call.custom.is_none())?;
            let goes_on = matches!((&call.id, &function.name), (Field::Null, Field::Null));
            let arguments = function.arguments.filter(|_| goes_on)?;
            Some((Grown::Arguments(index?), json::plain(arguments)?))
        }
        _ => None,
    }
}
