//! What rows come to where they are shown as JSON, which writes some characters with six.

use crate::store::{MAX_PAGE_BYTES, StoredMessage};

/// What every escape in a stored text begins with.
const ESCAPE: char = '␛';
/// A row's ids, times and numbers, with all names of fields.
const ROW_BYTES: usize = 1024;

/// How many of the newest rows make a page.
pub(crate) fn fitting(data: &[StoredMessage], limit: usize) -> usize {
    let newest = data.iter().rev().take(limit);
    let sizes = newest.scan(0, |sum: &mut usize, row| {
        *sum += bytes(row);
        Some(*sum)
    });
    let fitting = sizes.take_while(|bytes| *bytes <= MAX_PAGE_BYTES).count();
    // One row is always shown.
    fitting.max(1).min(data.len())
}

/// What the row comes to at most.
pub(crate) fn bytes(row: &StoredMessage) -> usize {
    let (message, exchange) = (&row.message, &row.exchange);
    let names = [
        &message.message_id,
        &message.finish_reason,
        &exchange.request_model,
        &exchange.model_name,
        &exchange.provider,
    ];
    let names = names.into_iter().flatten().map(|name| text(name));
    let json = [&message.other, &message.usage.raw];
    let json = json.into_iter().flatten().map(|text| unescaped(text));
    ROW_BYTES
        + text(message.role.as_str())
        + text(&message.content)
        + names.sum::<usize>()
        + json.sum::<usize>()
}

/// What the text comes to as a string of JSON.
pub(crate) fn text(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| match byte {
        b'\n' | b'\r' | b'\t' | b'"' | b'\\' => 1,
        0..0x20 => 5,
        _ => 0,
    });
    unescaped(text) + escapes.sum::<usize>()
}

/// A byte that is stored as five, `␛00`, is shown with six.
fn unescaped(text: &str) -> usize {
    text.len() + text.matches(ESCAPE).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_not_shown_longer_than_it_is_counted() {
        for (stored, said) in [
            ("plain ü", "plain ü"),
            ("\u{1}\u{1f}\u{8}\u{7f}", "\u{1}\u{1f}\u{8}\u{7f}"),
            ("\n\r\t\"\\/", "\n\r\t\"\\/"),
            ("␛00␛␛", "\0␛"),
        ] {
            let shown = serde_json::to_string(said).unwrap();
            assert!(shown.len() - 2 <= text(stored), "{shown}");
        }
        assert_eq!(text(&"\u{1}".repeat(9)), 54);
        assert_eq!(text("a line\n"), 8);
    }
}
