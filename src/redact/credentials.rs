//! Keys, tokens and passwords.

use std::{ops::Range, sync::LazyLock};

use memchr::memmem::{self, Finder};
use regex::Regex;

use super::{patterns::compiled, runs};

/// What each finds is the beginning of a key at the most; it goes on as far as a key's characters
/// do. It ends in such a run as is looked for, or is in one.
///
/// Sources: the providers' documentation of their keys, GitHub's list of the secrets it scans for.
pub(super) const BEGINNINGS: [&str; 16] = [
    // OpenAI, Anthropic, OpenRouter, DeepSeek and others; Cerebras; Stripe.
    r"(?:sk-|csk-|sk_live_|sk_test_|rk_live_|rk_test_)[A-Za-z0-9_\-]{16,64}",
    // Groq, xAI, Perplexity, Hugging Face, Replicate, Tavily, NVIDIA.
    r"(?:gsk_|xai-|pplx-|hf_|r8_|tvly-|nvapi-)[A-Za-z0-9_\-]{20,64}",
    // Amazon's access keys.
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    // Google's keys, client secrets and access tokens.
    r"AIza[A-Za-z0-9_\-]{35}",
    r"GOCSPX-[A-Za-z0-9_\-]{20,64}",
    r"ya29\.[A-Za-z0-9_\-]{20,64}",
    // GitHub, GitLab.
    r"(?:ghp_|gho_|ghu_|ghs_|ghr_)[A-Za-z0-9]{36}",
    r"github_pat_[A-Za-z0-9_]{22,64}",
    r"glpat-[A-Za-z0-9_\-]{20,64}",
    // Slack.
    r"(?:xoxa-|xoxb-|xoxe-|xoxp-|xoxr-|xoxs-|xapp-)[A-Za-z0-9\-]{10,64}",
    // npm, PyPI, SendGrid.
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_\-]{30,64}",
    r"SG\.[A-Za-z0-9_\-]{16,64}\.[A-Za-z0-9_\-]{16,64}",
    // JSON Web Tokens.
    r"eyJ[A-Za-z0-9_\-]{8,512}\.eyJ[A-Za-z0-9_\-]{8,4096}\.[A-Za-z0-9_\-]{8,64}",
    // In a header or a command line; Azure's connection strings.
    r"(?:Bearer|bearer|BEARER)[: \t]{1,4}[A-Za-z0-9._~+/\-]{20,64}",
    r"(?:[Aa]uthorization: {0,4}[Bb]asic {1,4}|AccountKey=)[A-Za-z0-9+/]{8,64}",
];
pub(super) const PRIVATE_KEY: &str = r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY(?: BLOCK)?-----";
const PRIVATE_KEY_END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// A longer one is cut here.
const LONGEST_PRIVATE_KEY: usize = 16 << 10;
/// The password in a URL.
pub(super) const PASSWORD: &str = r"://[^ \t\r\n:/@\x22]{1,128}:([^ \t\r\n/@\x22]{1,256})@";
/// Random letters and digits come in such runs; words that are joined do not.
const SHORTEST_RUN: usize = 16;
const LONGEST_PREFIX: usize = 12;
/// What stands before a run and belongs to it: `Authorization:    Basic    `.
const LONGEST_LEAD: usize = 27;

static BEGINNING: LazyLock<Regex> = LazyLock::new(|| compiled(&BEGINNINGS.join("|")));
static PRIVATE: LazyLock<Regex> = LazyLock::new(|| compiled(PRIVATE_KEY));
static BEGIN: LazyLock<Finder> = LazyLock::new(|| Finder::new("-----BEGIN "));
static SCHEME_END: LazyLock<Finder> = LazyLock::new(|| Finder::new("://"));
static PASSWORDS: LazyLock<Regex> = LazyLock::new(|| compiled(PASSWORD));

/// The next key or token at or behind this place.
pub(super) fn key(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    while let Some(run) = runs::next(text.as_bytes(), at) {
        let lead = from.max(run.start.saturating_sub(LONGEST_LEAD));
        if let Some(key) = key_within(text, lead..run.end) {
            return Some(key);
        }
        at = run.end;
    }
    None
}

fn key_within(text: &str, window: Range<usize>) -> Option<Range<usize>> {
    let until_its_end = text.get(..window.end)?;
    let mut at = window.start;
    while !text.is_char_boundary(at) {
        at += 1;
    }
    while let Some(found) = BEGINNING.find_at(until_its_end, at) {
        if !begins_a_word(text, found.start()) {
            at = found.start() + 1;
            continue;
        }
        if is_random(found.as_str()) {
            let is_of_key = |byte: &u8| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'=')
            };
            let behind = text.as_bytes().iter().skip(found.end());
            let rest = behind.take_while(|byte| is_of_key(byte)).count();
            return Some(found.start()..found.end() + rest);
        }
        // One that begins further ahead would have had its run in what was found.
        at = found
            .end()
            .saturating_sub(SHORTEST_RUN + LONGEST_PREFIX)
            .max(found.start() + 1);
    }
    None
}

/// The next private key at or behind this place: to its end, or as far as it goes where it was cut.
pub(super) fn private_key(text: &str, from: usize) -> Option<Range<usize>> {
    let from = from + BEGIN.find(text.as_bytes().get(from..)?)?;
    let found = PRIVATE.find_at(text, from)?;
    let rest = text.as_bytes().get(found.end()..).unwrap_or_default();
    let rest = rest.get(..LONGEST_PRIVATE_KEY).unwrap_or(rest);
    let length = match memmem::find(rest, PRIVATE_KEY_END) {
        Some(end) => {
            let name = end + PRIVATE_KEY_END.len();
            let close = rest.get(name..).and_then(|name| memmem::find(name, DASHES));
            close.map_or(name, |close| name + close + DASHES.len())
        }
        None => {
            let is_of_key =
                |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=\\:,- \r\n\t".contains(byte);
            rest.iter().take_while(is_of_key).count()
        }
    };
    Some(found.start()..found.end() + length)
}

/// The next password in a URL at or behind this place.
pub(super) fn password(text: &str, from: usize) -> Option<Range<usize>> {
    let from = from + SCHEME_END.find(text.as_bytes().get(from..)?)?;
    Some(PASSWORDS.captures_at(text, from)?.get(1)?.range())
}

/// Whether no letter or digit stands before, but the end of an escape in JSON or a URL.
fn begins_a_word(text: &str, at: usize) -> bool {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., b'\\', b'u', a, b, c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_hexdigit()),
        [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
        [.., last] => !is_word(last),
        [] => true,
    }
}

/// Whether it has a run of letters and digits, both, as long as words are not.
fn is_random(found: &str) -> bool {
    let runs = found.split(|char: char| !char.is_ascii_alphanumeric());
    let mut runs = runs.filter(|run| run.len() >= SHORTEST_RUN || found.starts_with("xox"));
    runs.any(|run| run.bytes().any(|byte| byte.is_ascii_digit()))
}
