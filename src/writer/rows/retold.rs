//! What of an exchange was said before: the client's history, up to the model's last answer.

use crate::{
    conversation::{Prompt, Role},
    store::{MessageColumns, Retold},
    thread::{Asked, Thread, Threader},
};

use super::title_of_messages;

/// Tells the history among the rows that were made of the prompt.
pub(super) fn of_rows(prompt: &Told, rows: &[MessageColumns]) -> Retold {
    let is_answer = |row: &MessageColumns| row.role == Role::Assistant && row.chain_hash.is_some();
    let last = rows.iter().rposition(is_answer);
    Retold {
        messages: last.map_or(0, |last| last + 1),
        last: last.and_then(|last| rows[last].chain_hash),
        title: prompt.title.clone(),
        is_all: prompt.is_all,
    }
}

/// Tells the history among the messages in the details of a failure, which begin with so many
/// instructions.
pub(super) fn of_failure(
    prompt: &Told,
    instructions: usize,
    asked: &Asked,
    thread: &Thread,
    threader: &Threader,
) -> Retold {
    let told = prompt.answered.saturating_sub(thread.known);
    let digests = asked.said.behind(thread.known).iter().take(told);
    let hash = digests.fold(thread.parent_hash, |hash, digest| {
        threader.chained(&hash, digest)
    });
    let has_history = told > 0;
    Retold {
        messages: if has_history { instructions + told } else { 0 },
        last: has_history.then_some(hash),
        title: prompt.title.clone(),
        is_all: prompt.is_all,
    }
}

/// What a prompt tells again, before it is taken apart.
pub(super) struct Told {
    /// Messages up to the model's last answer.
    answered: usize,
    /// A title of what follows.
    title: Option<String>,
    is_all: bool,
}

impl Told {
    pub(super) fn new(prompt: &Prompt) -> Self {
        let messages = &prompt.messages;
        let last = messages
            .iter()
            .rposition(|message| message.role == Role::Assistant);
        let answered = last.map_or(0, |last| last + 1);
        Self {
            answered,
            title: title_of_messages(&messages[answered..]),
            is_all: answered > 0 && answered == messages.len(),
        }
    }
}
