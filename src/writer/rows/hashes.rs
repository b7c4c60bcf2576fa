//! The hashes of an exchange's rows.

use crate::{
    conversation::{Choice, Message, Reply, Role, Usage},
    store::ChainHash,
    thread::{Asked, Thread, Threader, digest},
    writer::hear::Heard,
};

/// The hashes of the rows that an exchange will have at its place; of one that failed there are none.
#[derive(Debug, Default)]
pub(crate) struct Hashes {
    /// Of each message that is new.
    pub(super) messages: Vec<ChainHash>,
    /// Of each answer.
    pub(super) answers: Vec<ChainHash>,
    /// All that was said, by what it is remembered, and the hash that it comes to.
    pub(crate) said: [Option<(ChainHash, ChainHash)>; 2],
}

impl Hashes {
    /// Hashes what is new of an exchange, which is given an answer where its rows need one.
    pub(crate) fn of(
        heard: &mut Heard,
        asked: &Asked,
        thread: &Thread,
        threader: &Threader,
    ) -> Self {
        if heard.failed {
            return Self::default();
        }
        let mut last = thread.parent_hash;
        let new = asked.said.behind(thread.known).iter().map(|digest| {
            last = threader.chained(&last, digest);
            last
        });
        let messages: Vec<ChainHash> = new.collect();
        let says_known = asked.said.len() > 0 && messages.is_empty();
        answer(&mut heard.reply, says_known);
        let mut answers = Vec::with_capacity(heard.reply.choices.len());
        let mut with_answer = None;
        for (number, choice) in heard.reply.choices.iter().enumerate() {
            let (digest, remembered_by) = match number {
                0 => asked.said.answered(threader.key(), &choice.message),
                _ => (digest(threader.key(), &choice.message), None),
            };
            let hash = threader.chained(&last, &digest);
            answers.push(hash);
            with_answer = with_answer.or(remembered_by.map(|remembered_by| (remembered_by, hash)));
        }
        let without = asked.said.remembered_by(with_answer.is_some());
        let said = match thread.began == asked.scope {
            true => [
                without.map(|remembered_by| (remembered_by, last)),
                with_answer,
            ],
            false => [None; 2],
        };
        Self {
            messages,
            answers,
            said,
        }
    }
}

/// What was stated of a reply without choices needs a row to stand on, and so does an exchange that says
/// again what is known.
fn answer(reply: &mut Reply, says_known: bool) {
    let has_more = reply.response_id.is_some() || reply.usage != Usage::default();
    if reply.choices.is_empty() && (has_more || says_known) {
        reply.choices.push(Choice {
            index: 0,
            message: Message::new(Role::Assistant, ""),
            finish_reason: None,
        });
    }
}
