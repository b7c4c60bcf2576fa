//! What a row is to the branch that is read.

use crate::{conversation::Role, store::StoredMessage};

/// What the application told the model, which is on no branch.
pub(super) fn is_prompt(row: &StoredMessage) -> bool {
    row.message.prompt_hash.is_some() && row.message.role != Role::Assistant
}

/// Whether a branch may end with it.
pub(super) fn is_said(row: &StoredMessage) -> bool {
    row.message.choice_index == 0 && row.message.chain_hash.is_some()
}

/// Whether its exchange has nothing before it. A prompt stands first.
pub(super) fn is_first(row: &StoredMessage) -> bool {
    row.message.id == row.exchange.exchange_id.row(1)
}

/// What the API added: it was never on its way through the gateway.
pub(super) fn is_added(row: &StoredMessage) -> bool {
    row.exchange.latency_ms.is_none()
}
