//! A redactor by patterns.

use std::{borrow::Cow, ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Redact,
    card::card,
    credentials::{key, password, private_key},
};

pub(super) const EMAIL: &str =
    r"[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?-u:\b)";

static EMAILS: LazyLock<Regex> = LazyLock::new(|| compiled(EMAIL));

/// Without its pattern nothing may be stored.
pub(super) fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("a pattern of this crate: {error}"))
}

/// A [`Redact`] that knows credentials, e-mail addresses and card numbers by their shape.
///
/// What it takes out is replaced by `[credential]`, `[email]` or `[card]`. By
/// [default](Self::default) it takes out credentials alone: API keys of the well-known shapes,
/// bearer tokens, JSON Web Tokens, private keys and passwords in URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patterns {
    credentials: bool,
    emails: bool,
    cards: bool,
}

impl Patterns {
    /// Takes nothing out.
    pub const fn none() -> Self {
        Self {
            credentials: false,
            emails: false,
            cards: false,
        }
    }

    /// Takes out all that it knows.
    pub const fn all() -> Self {
        Self {
            credentials: true,
            emails: true,
            cards: true,
        }
    }

    /// Whether credentials are taken out.
    #[must_use]
    pub const fn credentials(mut self, credentials: bool) -> Self {
        self.credentials = credentials;
        self
    }

    /// Whether e-mail addresses are taken out.
    #[must_use]
    pub const fn emails(mut self, emails: bool) -> Self {
        self.emails = emails;
        self
    }

    /// Whether numbers of payment cards are taken out: 13 to 19 digits, in groups or not, whose last
    /// one checks the others (Luhn).
    #[must_use]
    pub const fn cards(mut self, cards: bool) -> Self {
        self.cards = cards;
        self
    }
}

/// Credentials alone.
impl Default for Patterns {
    fn default() -> Self {
        Self::none().credentials(true)
    }
}

impl Redact for Patterns {
    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let kinds: [(bool, Find, &str); 5] = [
            (self.credentials, private_key, "[credential]"),
            (self.credentials, key, "[credential]"),
            (self.credentials, password, "[credential]"),
            (self.emails, email, "[email]"),
            (self.cards, card, "[card]"),
        ];
        let mut text = Cow::Borrowed(text);
        for (wanted, find, stub) in kinds {
            if wanted && let Some(redacted) = without(&text, find, stub) {
                text = Cow::Owned(redacted);
            }
        }
        text
    }
}

/// Finds the next of its kind at or behind a place.
type Find = fn(&str, usize) -> Option<Range<usize>>;

fn email(text: &str, from: usize) -> Option<Range<usize>> {
    Some(EMAILS.find_at(text, from)?.range())
}

/// The text with stubs in place of what is found; `None` where nothing is.
fn without(text: &str, find: Find, stub: &str) -> Option<String> {
    // Most texts have none, and are not copied.
    let mut found = find(text, 0)?;
    let mut redacted = String::with_capacity(text.len());
    let mut done = 0;
    loop {
        redacted.push_str(text.get(done..found.start)?);
        if is_bare_number(text, &found) {
            redacted.extend(["\"", stub, "\""]);
        } else {
            redacted.push_str(stub);
        }
        done = found.end;
        let Some(next) = find(text, done) else {
            redacted.push_str(text.get(done..)?);
            return Some(redacted);
        };
        found = next;
    }
}

/// Whether JSON has it as a number, in whose place a string has to stand.
fn is_bare_number(text: &str, found: &Range<usize>) -> bool {
    let (before, behind) = (text.get(..found.start), text.get(found.end..));
    let (before, behind) = (before.unwrap_or_default(), behind.unwrap_or_default());
    text.trim_start().starts_with(['{', '['])
        && before.trim_end().ends_with([':', ',', '['])
        && behind.trim_start().starts_with([',', ']', '}'])
}
