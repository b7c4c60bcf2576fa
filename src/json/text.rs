//! The strings of a document.

use super::Fault;

/// Most strings are shorter than so many bytes, of which the place of a single one is found at once.
const WORD: usize = size_of::<u64>();
const ONES: u64 = u64::MAX / 0xFF;
const HIGHS: u64 = ONES << 7;
/// Longer ones are read by blocks, of which is only asked whether there is anything in one.
const BLOCK: usize = 8 * WORD;

/// The first place from this one on of a byte that means something in a string: a quote, a backslash, or what
/// must not stand in one. The end where there is none.
#[inline]
pub(super) fn special(bytes: &[u8], from: usize) -> usize {
    let mut rest = bytes.get(from..).unwrap_or_default();
    let mut pairs = 0;
    while let Some((word, behind)) = rest.split_first_chunk::<WORD>() {
        let found = specials(u64::from_le_bytes(*word));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
        // One question for two words, after the first.
        while let Some((pair, behind)) = rest.split_first_chunk::<{ 2 * WORD }>() {
            let pair = u128::from_le_bytes(*pair);
            if specials(pair as u64) | specials((pair >> 64) as u64) != 0 {
                break;
            }
            rest = behind;
            pairs += 1;
            if pairs == 4 {
                rest = behind_plain_blocks(rest);
            }
        }
    }
    let found = rest.iter().position(|&byte| is_special(byte));
    bytes.len() - rest.len() + found.unwrap_or(rest.len())
}

/// The bytes of a word that are special, as their highest bits: the lowest of them is one, for sure.
fn specials(word: u64) -> u64 {
    // The borrow of one byte can only spoil those behind the first that is found.
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = word ^ (ONES * b'\\' as u64);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGHS
}

#[inline(never)]
fn behind_plain_blocks(mut bytes: &[u8]) -> &[u8] {
    while let Some((block, behind)) = bytes.split_first_chunk::<BLOCK>() {
        // Without a branch a byte, which the compiler makes comparisons of whole registers of.
        let is_plain = !(block.iter()).fold(false, |found, &byte| found | is_special(byte));
        if !is_plain {
            break;
        }
        bytes = behind;
    }
    bytes
}

fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Whether what follows a backslash makes an escape with it.
pub(super) fn is_escape(rest: &[u8]) -> bool {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => true,
        [b'u', digits @ ..] => unit(digits).is_some(),
        _ => false,
    }
}

/// What a letter behind a backslash means; zero where it means nothing. A table, since which of them comes next
/// cannot be foretold.
const MEANT: [u8; 256] = {
    let mut meant = [0; 256];
    meant[b'"' as usize] = b'"';
    meant[b'\\' as usize] = b'\\';
    meant[b'/' as usize] = b'/';
    meant[b'b' as usize] = 0x8;
    meant[b'f' as usize] = 0xC;
    meant[b'n' as usize] = b'\n';
    meant[b'r' as usize] = b'\r';
    meant[b't' as usize] = b'\t';
    meant
};

/// What most strings with escapes have room in.
const MIN_ROOM: usize = 512;

/// A string with escapes that begins at this place and is plain up to the second. Goes on behind its quote, or to
/// where it is none.
#[inline(never)]
pub(super) fn unescaped(
    source: &str,
    start: usize,
    plain_until: usize,
    room: &mut String,
    behind: &mut usize,
) -> Result<String, Fault> {
    let bytes = source.as_bytes();
    room.clear();
    // It is made for each event anew, and would grow by small steps.
    room.reserve(MIN_ROOM.min(bytes.len().saturating_sub(start)));
    let mut from = start;
    let mut at = plain_until;
    loop {
        room.push_str(source.get(from..at).ok_or(Fault)?);
        from = at + 2;
        match bytes.get(at..) {
            Some([b'"', ..]) => {
                *behind = at + 1;
                return Ok(room.as_str().to_owned());
            }
            Some([b'\\', b'u', rest @ ..]) => {
                let (character, digits) = character(rest).ok_or(Fault)?;
                room.push(character);
                from += digits;
            }
            Some([b'\\', letter, ..]) if MEANT[usize::from(*letter)] != 0 => {
                room.push(char::from(MEANT[usize::from(*letter)]));
            }
            _ => {
                *behind = at;
                return Err(Fault);
            }
        }
        at = special(bytes, from.max(at + 2));
    }
}

/// The character behind `\u`, and how long it is written; `None` where that is half of one.
fn character(digits: &[u8]) -> Option<(char, usize)> {
    let first = unit(digits)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    let second = unit(digits.get(4..)?.strip_prefix(b"\\u")?)?;
    let is_pair = (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second);
    let pair = 0x10000 + ((first & 0x3FF) << 10) + (second & 0x3FF);
    Some((char::from_u32(pair).filter(|_| is_pair)?, 10))
}

/// The value of four hexadecimal digits.
fn unit(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0, |unit, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(unit << 4 | u32::from(value))
    })
}
