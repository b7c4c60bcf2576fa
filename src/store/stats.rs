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

/// What one model was used for on one day; the model's name is empty where there is none.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) struct Usage<'a> {
    pub(super) day: &'a str,
    pub(super) model: &'a str,
    pub(super) messages: i64,
    pub(super) exchanges: i64,
    pub(super) errors: i64,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) total_tokens: i64,
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl Stats {
    /// Adds this, up to the largest number there is.
    pub(super) fn add(&mut self, usage: &Usage<'_>) {
        let Usage {
            day,
            model,
            messages,
            exchanges,
            errors,
            prompt_tokens,
            completion_tokens,
            total_tokens,
        } = *usage;
        for (sum, number) in [
            (&mut self.total_messages, messages),
            (&mut self.exchanges, exchanges),
            (&mut self.errors, errors),
            (&mut self.prompt_tokens, prompt_tokens),
            (&mut self.completion_tokens, completion_tokens),
            (&mut self.total_tokens, total_tokens),
        ] {
            *sum = sum.saturating_add(number);
        }
        if messages == 0 {
            return;
        }
        *self.daily_message_count.entry(day.to_owned()).or_default() += messages;
        if !model.is_empty() {
            *self.models_used.entry(model.to_owned()).or_default() += messages;
        }
    }
}
