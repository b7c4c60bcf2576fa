//! Whether a client lets itself be recorded.

use super::Prefix;

/// What a client lets be recorded of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Consent {
    #[default]
    Everything,
    /// That there was an exchange, by whom and how it went, and nothing that was said.
    Metadata,
    Nothing,
}

/// The headers that say so.
pub(crate) const CONSENT_HEADERS: [&str; 5] = [
    "helicone-omit-request",
    "helicone-omit-response",
    "cf-aig-collect-log",
    "cf-aig-collect-log-payload",
    "x-litellm-enable-message-redaction",
];

/// What the headers of a request allow.
pub(super) fn consent(prefix: Prefix<'_>) -> Consent {
    let says = |name: &str, word: &str| {
        let value = prefix.header(name).map(<[u8]>::trim_ascii);
        value.is_some_and(|value| value.eq_ignore_ascii_case(word.as_bytes()))
    };
    if says("cf-aig-collect-log", "false") {
        Consent::Nothing
    } else if says("helicone-omit-request", "true")
        || says("helicone-omit-response", "true")
        || says("cf-aig-collect-log-payload", "false")
        || says("x-litellm-enable-message-redaction", "true")
    {
        Consent::Metadata
    } else {
        Consent::Everything
    }
}
