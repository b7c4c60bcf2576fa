//! Numbers of payment cards.

/// The sum of digits by which a card's number is told from any other, and its length.
pub(super) fn is_card(text: &str) -> bool {
    let digits = text.bytes().rev().filter(u8::is_ascii_digit);
    let digits: Vec<u32> = digits.map(|digit| u32::from(digit - b'0')).collect();
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (1, 5..) => digit * 2 - 9,
            (1, _) => digit * 2,
            _ => *digit,
        })
        .sum();
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}
