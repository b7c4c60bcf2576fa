//! What is derived from rows: sums of a user's days, and the sizes of tables.

use std::collections::BTreeMap;

/// A table that holds rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// Its name, such as `conversation_histories_2025_01_15`.
    pub table: String,
    /// Its day, such as `2025-01-15`; `None` where one table holds all days.
    pub day: Option<String>,
    /// Its rows.
    pub rows: i64,
    /// Its size with its indexes; `None` where the database does not tell.
    pub bytes: Option<i64>,
}

/// What a user said and spent, closed and open days together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Conversations whose days, from the first to the last, meet the range.
    pub total_conversations: i64,
    /// Messages, but those of the system and of tools.
    pub total_messages: i64,
    /// Tokens of every exchange, as the providers total them.
    pub total_tokens: i64,
    /// Tokens of the inputs.
    pub prompt_tokens: i64,
    /// Tokens of the replies.
    pub completion_tokens: i64,
    /// Exchanges that were answered.
    pub exchanges: i64,
    /// Exchanges that failed.
    pub errors: i64,
    /// Messages by the name of the model; those of no model are left out.
    pub models_used: BTreeMap<String, i64>,
    /// Messages by day, such as `2025-01-15`; days without any are left out.
    pub daily_message_count: BTreeMap<String, i64>,
}
