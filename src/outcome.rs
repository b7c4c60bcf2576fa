//! How an exchange ended, and what of it is missing: two closed lists.

use std::fmt;

/// How an exchange ended. It says nothing about the HTTP status: a complete `500` is [`Complete`](Outcome::Complete).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The response reached its end.
    #[default]
    Complete,
    /// The client went away while the response was on its way; what had arrived is kept.
    ClientAbort,
    /// The client went away before the response had a head.
    ClientAbortBeforeHead,
    /// The inner service returned an error, or its response body did.
    UpstreamError,
    /// The response was a success by its status, and its stream carried an error event.
    ErrorInStream,
    /// The inner service panicked.
    Panicked,
}

impl Outcome {
    /// The word that stands in the `outcome` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientAbort => "client_abort",
            Self::ClientAbortBeforeHead => "client_abort_before_head",
            Self::UpstreamError => "upstream_error",
            Self::ErrorInStream => "error_in_stream",
            Self::Panicked => "panicked",
        }
    }

    /// Reads the word back; `None` for one that is not on the list.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Complete,
            Self::ClientAbort,
            Self::ClientAbortBeforeHead,
            Self::UpstreamError,
            Self::ErrorInStream,
            Self::Panicked,
        ]
        .into_iter()
        .find(|outcome| outcome.as_str() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is missing from the recorded copy of an exchange. The traffic itself is never cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Truncated {
    /// Nothing is missing.
    #[default]
    No,
    /// A body was longer than the cap for its direction, or expanded past it.
    Cap,
    /// The budget for everything captured was used up.
    Budget,
}

impl Truncated {
    /// The word that stands in the `truncated` column: `0`, `cap` or `budget`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "0",
            Self::Cap => "cap",
            Self::Budget => "budget",
        }
    }

    /// Reads the word back; `None` for one that is not on the list.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::No, Self::Cap, Self::Budget]
            .into_iter()
            .find(|truncated| truncated.as_str() == word)
    }
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
