//! Numbers of payment cards.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::patterns::compiled;

/// Digits in groups or not, as many as a card has at least.
pub(super) const DIGITS: &str = r"[0-9](?:[ \-]?[0-9]){12,63}";
const LENGTHS: Range<usize> = 13..20;

static RUN: LazyLock<Regex> = LazyLock::new(|| compiled(DIGITS));

/// The next card number at or behind this place. It may stand among other groups of digits: its
/// expiry, its check value.
pub(super) fn card(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    while let Some(run) = RUN.find_at(text, at) {
        let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let bytes = text.as_bytes();
        let stands_alone = run
            .start()
            .checked_sub(1)
            .is_none_or(|at| !is_word(bytes.get(at)))
            && !is_word(bytes.get(run.end()));
        if stands_alone && let Some(within) = within(run.as_str()) {
            return Some(run.start() + within.start..run.start() + within.end);
        }
        at = run.end();
    }
    None
}

/// Where groups of a run make a card's number.
fn within(run: &str) -> Option<Range<usize>> {
    let bytes = run.as_bytes().iter().enumerate();
    let digits: Vec<(usize, u32)> = bytes
        .filter(|(_, byte)| byte.is_ascii_digit())
        .map(|(at, byte)| (at, u32::from(byte - b'0')))
        .collect();
    let is_apart = |at: usize| matches!(run.as_bytes().get(at), None | Some(b' ' | b'-'));
    let begins = |at: usize| at.checked_sub(1).is_none_or(is_apart);
    (0..digits.len())
        .filter(|first| digits.get(*first).is_some_and(|(at, _)| begins(*at)))
        .flat_map(|first| LENGTHS.rev().map(move |length| first..first + length))
        .filter_map(|window| digits.get(window))
        .find_map(|window| {
            let [(start, 2..=6), .., (last, _)] = window else {
                return None;
            };
            (is_apart(last + 1) && checks(window)).then_some(*start..last + 1)
        })
}

/// The sum of digits by which a card's number is told from any other.
fn checks(digits: &[(usize, u32)]) -> bool {
    let digits = digits.iter().rev().enumerate();
    let sum: u32 = digits
        .map(|(place, (_, digit))| match (place % 2, digit) {
            (1, 5..) => digit * 2 - 9,
            (1, _) => digit * 2,
            _ => *digit,
        })
        .sum();
    sum.is_multiple_of(10)
}
