//! Text that looks like what people and models write, so that no database can make it small.

use rand::{Rng, rngs::StdRng};

const WORDS: [&str; 96] = [
    "the", "of", "and", "to", "a", "in", "is", "that", "it", "for", "was", "on", "are", "as",
    "with", "they", "be", "at", "one", "have", "this", "from", "or", "had", "by", "but", "some",
    "what", "there", "we", "can", "out", "other", "were", "all", "your", "when", "up", "use",
    "word", "how", "said", "an", "each", "she", "which", "do", "their", "time", "if", "will",
    "way", "about", "many", "then", "them", "would", "write", "like", "so", "these", "her", "long",
    "make", "thing", "see", "him", "two", "has", "look", "more", "day", "could", "go", "come",
    "did", "my", "sound", "no", "most", "number", "who", "over", "know", "water", "than", "call",
    "first", "people", "may", "down", "side", "been", "now", "find", "model",
];

/// Sentences of together so many bytes, or a few more.
pub fn sentences(random: &mut StdRng, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 32);
    let mut left = 0;
    while text.len() < bytes {
        if left == 0 {
            left = random.random_range(5..14);
            if !text.is_empty() {
                text.push_str(if random.random_ratio(1, 6) {
                    ".\n\n"
                } else {
                    ". "
                });
            }
            text.push(char::from(random.random_range(b'A'..=b'Z')));
        } else {
            text.push(' ');
        }
        text.push_str(WORDS[random.random_range(0..WORDS.len())]);
        // A name, a number, a rare word.
        if random.random_ratio(1, 9) {
            text.push_str(&format!(" {:x}", random.random_range(0..0xffff)));
        }
        left -= 1;
    }
    text
}
