//! Characters whose halves came apart: JSON writes one beyond the basic plane as two, and a stream may cut
//! between them.

use memchr::memmem;

use super::{MARK, hex_byte};

/// Joins the halves of characters that came apart, each as the lone surrogate it was.
pub(crate) fn join_surrogates(stored: &mut String) {
    // Hardly any text has one.
    if memmem::find(stored.as_bytes(), HIGH.as_bytes()).is_none() {
        return;
    }
    let mut joined = String::with_capacity(stored.len());
    let mut rest = stored.as_str();
    while let Some(at) = rest.find(MARK) {
        let (before, marked) = rest.split_at(at);
        joined.push_str(before);
        let after = marked.get(MARK.len_utf8()..).unwrap_or_default();
        if let Some(after) = after.strip_prefix(MARK) {
            joined.extend([MARK, MARK]);
            rest = after;
        } else if let Some((character, after)) = surrogate_pair(marked) {
            joined.push(character);
            rest = after;
        } else {
            joined.push(MARK);
            rest = after;
        }
    }
    joined.push_str(rest);
    *stored = joined;
}

/// How a high surrogate begins.
const HIGH: &str = "␛ED␛A";

/// The character that two surrogates are with which a stored text begins, and what follows them.
fn surrogate_pair(stored: &str) -> Option<(char, &str)> {
    let half = |stored| -> Option<(u16, &str)> {
        let mut rest: &str = stored;
        let mut bytes = [0; 3];
        for byte in &mut bytes {
            let (value, after) = hex_byte(rest.strip_prefix(MARK)?)?;
            (*byte, rest) = (value, after);
        }
        let [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF] = bytes else {
            return None;
        };
        Some((
            0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F),
            rest,
        ))
    };
    let (high, rest) = half(stored)?;
    let (low, rest) = half(rest)?;
    let mut characters = char::decode_utf16([high, low]);
    match (characters.next(), characters.next()) {
        (Some(Ok(character)), None) => Some((character, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(stored: &str) -> String {
        let mut stored = stored.to_owned();
        join_surrogates(&mut stored);
        stored
    }

    #[test]
    fn only_a_high_half_before_a_low_one_is_joined() {
        let (high, low) = ("␛ED␛A0␛BD", "␛ED␛B8␛80");
        assert_eq!(joined(&format!("a{high}{low}b{high}{low}")), "a😀b😀");
        for apart in [
            high.to_owned(),
            low.to_owned(),
            format!("{low}{high}"),
            format!("{high}x{low}"),
            format!("{high}{high}"),
            format!("␛{high}"),
            // A doubled mark is the character itself, and what follows it text.
            format!("␛␛ED␛A0␛BD{low}"),
            "␛␛".to_owned(),
            "␛".to_owned(),
        ] {
            assert_eq!(joined(&apart), apart);
        }
        assert_eq!(joined(&format!("␛␛{high}{low}")), "␛␛😀");
    }
}
