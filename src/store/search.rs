//! Looking for a text.

use super::UnixMillis;
use crate::id::Id;

/// Which messages are looked for, among those of one day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Search {
    /// Whose gateway.
    pub tenant: String,
    /// What they hold, as it is stored: letter for letter.
    pub text: String,
    /// Who spoke; anybody where that is left out.
    pub user_identifier: Option<String>,
    /// The model that answered; any where that is left out.
    pub model_name: Option<String>,
    /// A time of the day.
    pub day: UnixMillis,
    /// Only those before the one with this id.
    pub before: Option<Id>,
    /// At most so many.
    pub limit: usize,
}

/// Where a message stands that was looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// Its conversation.
    pub conversation_id: Id,
    /// Its row's id.
    pub id: Id,
}
