//! The items of a stream, put together from its events.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{event::kind, growing::Growing, turn::Turn, wire};
use crate::{
    decode::{
        estimate,
        json::{self, Field},
        limits::MAX_MESSAGES,
        repair,
        sse::Event,
        tally::Tally,
    },
    outcome::Truncated,
};

/// The items so far, by their place in the output.
#[derive(Default)]
pub(super) struct Pieces {
    items: BTreeMap<i64, Growing>,
}

impl Pieces {
    /// Adds an event, where it is a piece of an item.
    pub(super) fn event(&mut self, event: &Event<'_>, cut: bool, tally: &mut Tally) {
        let data = event.data.trim_ascii();
        let kind = kind(event);
        let is_piece = kind.ends_with(".delta")
            || kind.ends_with("_delta")
            || kind.starts_with("response.output_item.")
            || kind == "response.output_text.annotation.added";
        if !is_piece || !tally.admits(data) {
            return;
        }
        let done = self.piece(&kind, data, tally);
        if !done
            && cut
            && !event.ended
            && let Some(closed) = repair::close(data)
        {
            self.piece(&kind, &closed, tally);
        }
    }

    fn piece(&mut self, kind: &str, data: &str, tally: &mut Tally) -> bool {
        let Some(event) = json::document::<wire::Event<'_>>(data) else {
            return false;
        };
        let index = match &event.output_index {
            Field::Other(Value::Number(index)) => index.as_i64(),
            _ => None,
        };
        let index = index.unwrap_or_default();
        if self.items.len() >= MAX_MESSAGES && !self.items.contains_key(&index) {
            tally.truncated = Truncated::Cap;
            return true;
        }
        let held = &mut tally.held;
        let growing = self.items.entry(index).or_insert_with(|| {
            *held += estimate::OBJECT_BYTES;
            Growing::default()
        });
        if let Some(item) = event.item {
            growing.set(item.get(), kind == "response.output_item.done", held);
        }
        if let Some(annotation) = event.annotation {
            growing.annotate(annotation.get(), held);
        }
        if let Field::Text(delta) = &event.delta {
            growing.grow(kind, delta, held);
        }
        true
    }

    /// The items as one answer.
    pub(super) fn finish(self) -> Turn {
        let mut turn = Turn::default();
        for growing in self.items.into_values() {
            growing.finish(&mut turn);
        }
        turn
    }
}
