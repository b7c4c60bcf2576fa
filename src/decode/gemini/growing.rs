//! One candidate of a stream, growing piece by piece.

use serde_json::Value;

use super::{
    content::{add, speaker},
    partial::Partial,
    wire,
};
use crate::{
    conversation::{Choice, Role},
    decode::{
        blocks::Blocks,
        estimate,
        json::{Field, List},
        last::Last,
        push_piece,
        tally::Tally,
    },
};

/// One candidate so far.
#[derive(Default)]
pub(super) struct Growing {
    blocks: Option<Blocks>,
    /// The text that has grown since the last part of another kind.
    text: String,
    thought: String,
    /// A call whose arguments have not all come yet.
    partial: Option<Partial>,
    pub(super) finish_reason: Option<String>,
    pub(super) last: Last,
}

impl Growing {
    /// Adds a piece, and to the tally what that takes in memory; false where something had to be left out.
    pub(super) fn grow(&mut self, content: wire::Content<'_>, tally: &mut Tally) -> bool {
        let role = speaker(&content.role, Role::Assistant);
        if let Field::Text(text) = content.text {
            tally.held += estimate::text(&text);
            push_piece(&mut self.text, &text);
        }
        let Some(List { items, is_cut }) = content.parts else {
            return true;
        };
        let mut whole = !is_cut;
        for part in items {
            let is_plain = part.is_plain();
            match (&part.text, &part.thought) {
                (Field::Text(text), Field::Null | Field::Other(Value::Bool(false))) if is_plain => {
                    self.settle(false);
                    tally.held += estimate::text(text);
                    push_piece(&mut self.text, text);
                }
                (Field::Text(text), Field::Other(Value::Bool(true))) if is_plain => {
                    self.settle(true);
                    tally.held += estimate::text(text);
                    push_piece(&mut self.thought, text);
                }
                _ => {
                    self.settle(false);
                    self.settle(true);
                    let call = part.call.as_ref().and_then(|call| call.args);
                    let sources = part.rest.iter().map(|(_, source)| *source).chain(call);
                    let bytes = sources.map(|source| estimate::member("", source));
                    let mut takes = bytes.sum::<usize>() + estimate::OBJECT_BYTES;
                    if let Some(signature) = &part.signature {
                        takes += estimate::OBJECT_BYTES + estimate::text(signature);
                    }
                    if let Field::Text(text) = &part.text {
                        takes += estimate::text(text);
                    }
                    match self.part(part, &role, tally) {
                        true => tally.held += takes,
                        false => whole = false,
                    }
                }
            }
        }
        whole
    }

    /// Adds a part that is no plain text; false where something had to be left out.
    fn part(&mut self, mut part: wire::Part<'_>, role: &Role, tally: &mut Tally) -> bool {
        let mut whole = true;
        if let Some(call) = &part.call {
            let goes_on = |open: &Partial| open.goes_on_with(call);
            let goes_on = self.partial.as_ref().is_some_and(goes_on);
            if !goes_on {
                whole &= self.end_call();
            }
            if (goes_on || Partial::is_of(call))
                && let Some(call) = part.call.take()
            {
                let open = self.partial.get_or_insert_default();
                if !open.add(call, part, tally) {
                    whole &= self.end_call();
                }
                return whole;
            }
        }
        let blocks = self.blocks.get_or_insert_with(|| Blocks::of(role));
        whole & add(blocks, part, role, None)
    }

    /// Ends the call whose arguments came in pieces; false where it is one too many.
    pub(super) fn end_call(&mut self) -> bool {
        let Some(open) = self.partial.take() else {
            return true;
        };
        self.settle(false);
        self.settle(true);
        let blocks = &mut self.blocks;
        open.finish(blocks.get_or_insert_with(|| Blocks::of(&Role::Assistant)))
    }

    /// Makes a block of the text, or of the thoughts, that have come before what is not of their kind.
    fn settle(&mut self, is_text: bool) {
        let blocks = &mut self.blocks;
        if is_text && !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            blocks
                .get_or_insert_with(|| Blocks::of(&Role::Assistant))
                .text(text, Default::default());
        }
        if !is_text && !self.thought.is_empty() {
            let thought = std::mem::take(&mut self.thought);
            blocks
                .get_or_insert_with(|| Blocks::of(&Role::Assistant))
                .reasoning(thought, Default::default());
        }
    }

    /// The whole candidate.
    pub(super) fn finish(mut self, index: i64, keep_media: bool) -> Choice {
        self.settle(false);
        self.settle(true);
        let blocks = self.blocks.unwrap_or_default();
        let mut message = blocks.finish(Role::Assistant, keep_media);
        let last = self.last.into_members();
        message.keep(last.map(|(key, member)| (wire::spelt(&key), member)));
        Choice {
            index,
            message,
            finish_reason: self.finish_reason,
        }
    }
}
