//! Pieces that are known but for the text that they add, and for their time.

use super::Piece;
use crate::{
    decode::answer::Answer,
    json::{Echo, Field},
};

/// The last piece, where it did nothing but grow one text.
#[derive(Default)]
pub(super) struct Known {
    echo: Echo,
    is_thought: bool,
}

impl Known {
    /// Learns a piece, where it is one, and forgets the one before.
    pub(super) fn learn(&mut self, source: &str, piece: &Piece<'_>) {
        match grown(piece) {
            Some((text, is_thought)) => {
                self.echo.learn(source, text, piece.created_at);
                self.is_thought = is_thought;
            }
            None => self.echo.forget(),
        }
    }

    /// Adds a piece that is known; false where it is not.
    pub(super) fn add(&self, answer: &mut Answer, source: &str) -> bool {
        let text = self.echo.text(source);
        // A picture would be shown as what it is.
        let Some(text) = text.filter(|text| !text.starts_with("data:")) else {
            return false;
        };
        match self.is_thought {
            true => answer.think(&text),
            false => answer.say(&text),
        }
        true
    }
}

/// What a piece grows the answer by, and whether that is thought, where it does nothing else.
fn grown<'p>(piece: &'p Piece<'_>) -> Option<(&'p str, bool)> {
    let Piece {
        model: _,
        message,
        response,
        thinking,
        done_reason: Field::Null,
        created_at: _,
        error: None,
        counts,
        rest,
    } = piece
    else {
        return None;
    };
    if !counts.is_empty() || !rest.is_empty() {
        return None;
    }
    match (message, response, thinking) {
        (Some(message), Field::Null, Field::Null) => message.only_text(),
        (None, Field::Text(text), Field::Null) => Some((text, false)),
        (None, Field::Text(text), Field::Text(thinking)) if text.is_empty() => {
            Some((thinking, true))
        }
        _ => None,
    }
}
