//! Where keys can be: long runs of their characters.

use std::ops::Range;

const BLOCK: usize = 8;
/// Wherever a run of so many begins, it fills a block.
const SHORTEST: usize = 2 * BLOCK - 1;

const ONES: u64 = u64::from_le_bytes([1; BLOCK]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; BLOCK]);

/// The next run at or behind this place that is long enough for a key and has a digit.
///
/// Most words fill no block, and are passed over eight bytes at a time.
pub(super) fn next(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let (blocks, _) = text.get(at..)?.as_chunks::<BLOCK>();
        let unbroken = blocks.iter().position(|block| !is_broken(*block))?;
        let run = around(text, from, at + unbroken * BLOCK);
        if run.len() >= SHORTEST && text.get(run.clone())?.iter().any(u8::is_ascii_digit) {
            return Some(run);
        }
        at = run.end.max(at + (unbroken + 1) * BLOCK);
    }
}

/// Whether one of its bytes is a blank, a quote or another of the first signs, or not ASCII. None of
/// them is of a key.
fn is_broken(block: [u8; BLOCK]) -> bool {
    let block = u64::from_le_bytes(block);
    // A byte below `+` borrows from its highest bit.
    let below = block.wrapping_sub(ONES * u64::from(b'+')) & !block;
    (below | block) & HIGH_BITS != 0
}

/// The run that this place is in.
fn around(text: &[u8], from: usize, at: usize) -> Range<usize> {
    let before = text.get(from..at).unwrap_or_default();
    let behind = text.get(at..).unwrap_or_default();
    let before = before.iter().rev().take_while(is_of_key);
    let behind = behind.iter().take_while(is_of_key);
    at - before.count()..at + behind.count()
}

fn is_of_key(byte: &&u8) -> bool {
    OF_KEY
        .get(usize::from(**byte))
        .is_some_and(|of_key| *of_key)
}

static OF_KEY: [bool; 256] = {
    let mut of_key = [false; 256];
    let mut byte = 0;
    while byte < of_key.len() {
        let signed = byte as u8;
        of_key[byte] = signed.is_ascii_alphanumeric()
            || matches!(signed, b'.' | b'_' | b'~' | b'+' | b'/' | b'-');
        byte += 1;
    }
    of_key
};
