//! What a coding agent puts between what its user says: it differs from call to call, comes and goes.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::Finder;

use super::canon::Digest;
use crate::conversation::{Message, Role};

const BEGIN: &str = "<system-reminder>";
const END: &str = "</system-reminder>";
static BEGINNINGS: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(BEGIN));
static ENDS: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(END));

/// The digest of a message that moves no chain on.
pub(super) const ASIDE: Digest = [0; 32];

/// The text without its reminders, each of which stands on lines of its own.
pub(crate) fn spoken(text: &str) -> Cow<'_, str> {
    let mut said: Vec<&str> = Vec::new();
    let (mut kept, mut at, mut end) = (0, 0, 0);
    while let Some(begin) = find(text, at, &BEGINNINGS) {
        // The end is looked for once, however many beginnings stand before it.
        if end < begin + BEGIN.len() {
            let Some(next) = find(text, begin + BEGIN.len(), &ENDS) else {
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

fn find(text: &str, from: usize, tag: &Finder<'_>) -> Option<usize> {
    let found = tag.find(text.as_bytes().get(from..)?)?;
    Some(from + found)
}

/// Whether each of these messages moves no chain on: a reminder alone, in a message after others, is
/// nothing that the next depends on, nor is what the application adds behind what the user said. Many
/// send it with their newest request only.
pub(super) fn asides(messages: &[Message]) -> impl Iterator<Item = bool> {
    let mut is_behind_user = false;
    messages.iter().enumerate().map(move |(number, message)| {
        let is_instruction = matches!(message.role, Role::System | Role::Developer);
        if (is_behind_user && is_instruction) || (number > 0 && is_aside(message)) {
            return true;
        }
        is_behind_user = matches!(message.role, Role::User | Role::Tool);
        false
    })
}

fn is_aside(message: &Message) -> bool {
    message.role == Role::User
        && !message.content.is_empty()
        && !message.other.contains_key("content")
        && message.content.trim_start().starts_with(BEGIN)
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
