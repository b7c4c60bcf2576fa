//! What of an exchange was said before: the client's history, up to the model's last answer.

use crate::{
    conversation::{Prompt, Role},
    store::{ChainHash, MessageColumns, Retold},
    thread::{Asked, Thread, Threader},
};

use super::title_of_messages;

/// Answers that a deletion is looked for by: those that were deleted come first, as a rule.
const FIRST_ANSWERS: usize = 16;
const NEWEST_ANSWERS: usize = 64;

/// Tells the history among the rows that were made of the prompt.
pub(super) fn of_rows(prompt: &Told, rows: &[MessageColumns]) -> Retold {
    let is_answer = |row: &MessageColumns| row.role == Role::Assistant && row.chain_hash.is_some();
    let last = rows.iter().rposition(is_answer);
    let answers = rows.iter().filter(|row| is_answer(row));
    Retold {
        messages: last.map_or(0, |last| last + 1),
        answers: first_and_newest(answers.filter_map(|row| row.chain_hash).collect()),
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
    let mut hash = thread.parent_hash;
    let mut answers = Vec::new();
    for (number, digest) in (thread.known + 1..).zip(digests) {
        hash = threader.chained(&hash, digest);
        if asked.answers.binary_search(&number).is_ok() {
            answers.push(hash);
        }
    }
    let has_history = told > 0;
    Retold {
        messages: if has_history { instructions + told } else { 0 },
        answers: first_and_newest(answers),
        title: prompt.title.clone(),
        is_all: prompt.is_all,
    }
}

fn first_and_newest(mut answers: Vec<ChainHash>) -> Vec<ChainHash> {
    let newest = answers.len().saturating_sub(NEWEST_ANSWERS);
    if newest > FIRST_ANSWERS {
        answers.drain(FIRST_ANSWERS..newest);
    }
    answers
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
