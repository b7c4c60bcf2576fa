//! Where a page of a branch ends, as text that the next is asked for with.

use std::{fmt, str::FromStr};

use crate::{
    id::Id,
    store::{ChainHash, ParsePlaceError},
};

/// What is wanted before the branch has begun.
const HEAD: &str = "head";

/// A place on a branch, which the page before it ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bookmark {
    /// Whether the newest exchange's first answer was read, which the branch leads back from.
    pub(super) has_head: bool,
    /// The next message on the branch.
    pub(super) wanted: Option<Id>,
    /// Everything from this row on was read.
    pub(super) below: Id,
    /// The prompt that the last answer read had, while that was not read itself.
    pub(super) prompt: Option<ChainHash>,
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            has_head,
            wanted,
            below,
            prompt,
        } = self;
        let prompt = prompt.map(Id::from_bytes);
        let text = |id: &Option<Id>| id.map(|id| id.to_string()).unwrap_or_default();
        let wanted = match has_head {
            true => text(wanted),
            false => HEAD.to_owned(),
        };
        write!(f, "{below}_{wanted}_{}", text(&prompt))
    }
}

impl FromStr for Bookmark {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('_').collect();
        let [below, wanted, prompt] = parts[..] else {
            return Err(ParsePlaceError);
        };
        let id = |text: &str| text.parse::<Id>().map_err(|_| ParsePlaceError);
        let optional = |text: &str| (!text.is_empty()).then(|| id(text)).transpose();
        let has_head = wanted != HEAD;
        Ok(Self {
            has_head,
            wanted: optional(if has_head { wanted } else { "" })?,
            below: id(below)?,
            prompt: optional(prompt)?.map(|hash| *hash.as_bytes()),
        })
    }
}
