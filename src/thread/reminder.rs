//! What a coding agent puts between what its user says: it differs from call to call, comes and goes.

use std::borrow::Cow;

use blake3::keyed_hash;

use super::{
    Key,
    canon::{Digest, write},
};
use crate::conversation::{Message, Role};

const BEGIN: &str = "<system-reminder>";
const END: &str = "</system-reminder>";

/// The digest of a message that moves no chain on.
pub(super) const ASIDE: Digest = [0; 32];

/// The text without its reminders, each of which stands on lines of its own.
pub(crate) fn spoken(text: &str) -> Cow<'_, str> {
    let mut said: Vec<&str> = Vec::new();
    let (mut kept, mut at, mut end) = (0, 0, 0);
    while let Some(begin) = find(text, at, BEGIN) {
        // The end is looked for once, however many beginnings stand before it.
        if end < begin + BEGIN.len() {
            let Some(next) = find(text, begin + BEGIN.len(), END) else {
                break;
            };
            end = next;
        }
        let (before, after) = (text.get(kept..begin), text.get(end + END.len()..));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let begins_line = before.is_empty() || before.ends_with('\n');
        let ends_line = after.is_empty() || after.starts_with('\n');
        at = begin + BEGIN.len();
        if begins_line && ends_line {
            said.push(before.trim());
            at = end + END.len();
            kept = at;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    said.push(text.get(kept..).unwrap_or_default().trim());
    said.retain(|piece| !piece.is_empty());
    Cow::Owned(said.join("\n"))
}

fn find(text: &str, from: usize, wanted: &str) -> Option<usize> {
    let mut at = from;
    // Few texts have what a tag begins with at all.
    loop {
        let found = at + text.get(at..)?.find('<')?;
        if text.get(found..)?.starts_with(wanted) {
            return Some(found);
        }
        at = found + 1;
    }
}

/// Messages as what tells them from others, one after the other.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) text: Vec<u8>,
    /// Where each begins, and where the last ends.
    begins: Vec<usize>,
}

/// Behind each message: no field of one is as long as this says.
const END_OF_MESSAGE: [u8; 8] = u64::MAX.to_le_bytes();

impl Written {
    /// Writes these messages. A reminder alone, in a message after others, is nothing that the next
    /// depends on, nor is what the application adds behind what the user said: many send it with their
    /// newest request only.
    pub(super) fn new(messages: &[Message]) -> Self {
        let bytes: usize = messages
            .iter()
            .map(|message| message.content.len() + 64)
            .sum();
        let mut text = Vec::with_capacity(bytes);
        let mut begins = Vec::with_capacity(messages.len() + 1);
        let mut is_behind_user = false;
        for (number, message) in messages.iter().enumerate() {
            begins.push(text.len());
            let is_instruction = matches!(message.role, Role::System | Role::Developer);
            if (is_behind_user && is_instruction) || (number > 0 && is_aside(message)) {
                continue;
            }
            is_behind_user = matches!(message.role, Role::User | Role::Tool);
            write(&mut text, message);
            text.extend_from_slice(&END_OF_MESSAGE);
        }
        begins.push(text.len());
        Self { text, begins }
    }

    /// How many messages these are.
    pub(super) fn messages(&self) -> usize {
        self.begins.len() - 1
    }

    /// Where the message with this number, from 0, begins.
    pub(super) fn begin(&self, number: usize) -> usize {
        self.begins.get(number).copied().unwrap_or(self.text.len())
    }

    /// The digest of the message with this number.
    pub(super) fn digest(&self, key: &Key, number: usize) -> Digest {
        let written = self.text.get(self.begin(number)..self.begin(number + 1));
        let message = written.and_then(|written| written.strip_suffix(&END_OF_MESSAGE));
        message.map_or(ASIDE, |message| *keyed_hash(key, message).as_bytes())
    }
}

fn is_aside(message: &Message) -> bool {
    message.role == Role::User
        && !message.content.is_empty()
        && !message.other.contains_key("content")
        && spoken(&message.content).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_on_lines_of_their_own_are_not_spoken() {
        let reminder = "<system-reminder>\nnow <b>\n</system-reminder>";
        for (text, said) in [
            ("hello".to_owned(), "hello"),
            (format!("{reminder}\n\nhello"), "hello"),
            (format!("one\n{reminder}\ntwo\n\n{reminder}"), "one\ntwo"),
            (reminder.to_owned(), ""),
        ] {
            assert_eq!(spoken(&text), said);
        }
        for text in [
            "what is <system-reminder>x</system-reminder>?",
            "a\n<system-reminder>x",
            "<system-reminder>x</system-reminder> is what?",
        ] {
            assert_eq!(spoken(text), text);
        }
    }

    #[test]
    fn many_beginnings_take_no_longer_than_their_text() {
        let text = "\n<system-reminder>".repeat(200_000);
        assert_eq!(spoken(&text), text);
        let ended = format!("{text}</system-reminder>!");
        assert_eq!(spoken(&ended), ended);
    }
}
