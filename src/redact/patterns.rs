//! A redactor by patterns.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

use super::{Redact, card::is_card};

/// Each alternative begins with letters of its own, by which it is looked for.
///
/// Sources: the providers' documentation of their keys, GitHub's list of the secrets it scans for.
const CREDENTIALS: [&str; 17] = [
    // OpenAI, Anthropic, OpenRouter, DeepSeek and others; Stripe.
    r"(?-u:\b)(?:sk-|sk_live_|sk_test_|rk_live_|rk_test_)[A-Za-z0-9_\-]{16,}",
    // Groq, xAI, Perplexity, Hugging Face, Replicate, Tavily, NVIDIA.
    r"(?-u:\b)(?:gsk_|xai-|pplx-|hf_|r8_|tvly-|nvapi-)[A-Za-z0-9_\-]{20,}",
    // Amazon's access keys.
    r"(?-u:\b)(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)",
    // Google's keys and access tokens.
    r"(?-u:\b)AIza[A-Za-z0-9_\-]{35}",
    r"(?-u:\b)ya29\.[A-Za-z0-9_\-]{20,}",
    // GitHub, GitLab.
    r"(?-u:\b)(?:ghp_|gho_|ghu_|ghs_|ghr_)[A-Za-z0-9]{36,}",
    r"(?-u:\b)github_pat_[A-Za-z0-9_]{22,}",
    r"(?-u:\b)glpat-[A-Za-z0-9_\-]{20,}",
    // Slack.
    r"(?-u:\b)(?:xoxa-|xoxb-|xoxe-|xoxp-|xoxr-|xoxs-|xapp-)[A-Za-z0-9\-]{10,}",
    // npm, PyPI, SendGrid.
    r"(?-u:\b)npm_[A-Za-z0-9]{36}",
    r"(?-u:\b)pypi-[A-Za-z0-9_\-]{30,}",
    r"(?-u:\b)SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
    // JSON Web Tokens.
    r"(?-u:\b)eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}",
    // In a header or a command line.
    r"(?-u:\b)(?:Bearer|bearer|BEARER) +[A-Za-z0-9._~+/\-]{16,}=*",
    r"(?-u:\b)(?:Basic|basic|BASIC) +[A-Za-z0-9+/]{16,}=*",
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[^-]+-----END [A-Z ]{0,20}PRIVATE KEY-----",
    // Azure's connection strings.
    r"(?-u:\b)AccountKey=[A-Za-z0-9+/]{40,}=*",
];
const EMAIL: &str =
    r"(?-u:\b)[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}(?-u:\b)";
const CARD: &str = r"(?-u:\b)[2-6](?:[ \-]?[0-9]){12,18}(?-u:\b)";

static CREDENTIAL: LazyLock<Regex> = LazyLock::new(|| compiled(&CREDENTIALS.join("|")));
static EMAILS: LazyLock<Regex> = LazyLock::new(|| compiled(EMAIL));
static CARDS: LazyLock<Regex> = LazyLock::new(|| compiled(CARD));

/// Without its pattern nothing may be stored.
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("a pattern of this crate: {error}"))
}

/// A [`Redact`] that knows credentials, e-mail addresses and card numbers by their shape.
///
/// What it takes out is replaced by `[credential]`, `[email]` or `[card]`. By
/// [default](Self::default) it takes out credentials alone: API keys of the well-known shapes,
/// bearer tokens, JSON Web Tokens and private keys.
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
        let kinds: [(bool, &LazyLock<Regex>, Is, &str); 3] = [
            (self.credentials, &CREDENTIAL, is_credential, "[credential]"),
            (self.emails, &EMAILS, |_| true, "[email]"),
            (self.cards, &CARDS, is_card, "[card]"),
        ];
        let mut text = Cow::Borrowed(text);
        for (wanted, pattern, is, stub) in kinds {
            if wanted && let Cow::Owned(redacted) = replaced(&text, pattern, is, stub) {
                text = Cow::Owned(redacted);
            }
        }
        text
    }
}

/// Whether what was found is what it looks like.
type Is = fn(&str) -> bool;

fn replaced<'a>(text: &'a str, pattern: &Regex, is: Is, stub: &str) -> Cow<'a, str> {
    // Most texts have none, and are not copied.
    if !pattern.find_iter(text).any(|found| is(found.as_str())) {
        return Cow::Borrowed(text);
    }
    pattern.replace_all(text, |found: &Captures<'_>| match &found[0] {
        found if is(found) => stub.to_owned(),
        found => found.to_owned(),
    })
}

/// Words joined by hyphens have no digits; keys do.
fn is_credential(found: &str) -> bool {
    found.starts_with("-----") || found.bytes().any(|byte| byte.is_ascii_digit())
}
