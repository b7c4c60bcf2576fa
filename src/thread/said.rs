//! What was said, as hashes: of a history that was hashed before, only its end.

mod sent;

use self::sent::Sent;
use super::{
    Key,
    canon::{Digest, chained, digest, hashed},
    memory::Memory,
    reminder::{ASIDE, asides},
};
use crate::{conversation::Message, store::ChainHash};

/// A longer history, in bytes, is remembered without its answer too: clients may send that otherwise
/// than it came.
const LONG: usize = 4096;

/// What was said in a request.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Messages whose digests are left out, since what they come to is remembered.
    skipped: usize,
    /// The hash of the last of these and all before it.
    skipped_hash: ChainHash,
    /// The digests of the others.
    digests: Vec<Digest>,
    /// All of it, where it is to be remembered.
    sent: Option<Sent>,
    is_long: bool,
}

impl Said {
    /// All digests of these messages.
    pub(crate) fn new(key: &Key, messages: &[Message]) -> Self {
        let asides = asides(messages);
        let digests = messages.iter().zip(asides);
        let digests = digests.map(|(message, is_aside)| digest_of(key, message, is_aside));
        Self {
            skipped: 0,
            skipped_hash: ChainHash::default(),
            digests: digests.collect(),
            sent: None,
            is_long: false,
        }
    }

    /// The digests of these messages; only those from the last answer on, up to which there are
    /// `answered` messages, or behind it, where what this user's client sent before is remembered.
    pub(super) fn remembering(
        key: &Key,
        scope: &ChainHash,
        messages: &[Message],
        answered: usize,
        memory: &Memory,
    ) -> Self {
        let asides: Vec<bool> = asides(messages).collect();
        let marked = || messages.iter().zip(asides.iter().copied());
        let before = answered.saturating_sub(1);
        let mut text = Vec::new();
        let mut sent = Sent::new(key, scope);
        for (message, is_aside) in marked().take(before) {
            sent.add(&mut text, message, is_aside);
        }
        let without_answer = sent.clone();
        for (message, is_aside) in marked().take(answered).skip(before) {
            sent.add(&mut text, message, is_aside);
        }
        let remembered = |sent: &Sent, messages: usize| {
            let hash = memory.said(&sent.hash())?;
            Some((messages, hash))
        };
        let (skipped, skipped_hash) = remembered(&sent, answered)
            .or_else(|| remembered(&without_answer, before))
            .unwrap_or_default();
        let mut digests = Vec::with_capacity(messages.len().saturating_sub(skipped));
        for (message, is_aside) in marked().take(answered).skip(skipped) {
            digests.push(digest_of(key, message, is_aside));
        }
        for (message, is_aside) in marked().skip(answered) {
            sent.add(&mut text, message, is_aside);
            digests.push(match is_aside {
                true => ASIDE,
                false => hashed(key, &text),
            });
        }
        Self {
            skipped,
            skipped_hash,
            digests,
            sent: Some(sent),
            is_long: messages
                .iter()
                .map(|message| message.content.len())
                .sum::<usize>()
                >= LONG,
        }
    }

    /// The same with all digests.
    pub(crate) fn whole(self, key: &Key, messages: &[Message]) -> Self {
        Self {
            sent: self.sent,
            is_long: self.is_long,
            ..Self::new(key, messages)
        }
    }

    /// What all of it is remembered by, where that is worth it for want of an answer or for its length.
    pub(crate) fn remembered_by(&self, is_answered: bool) -> Option<ChainHash> {
        let is_worth_it = self.is_long || !is_answered;
        self.sent.as_ref().filter(|_| is_worth_it).map(Sent::hash)
    }

    /// The digest of an answer to it, and what all is remembered by together with that.
    pub(crate) fn answered(&self, key: &Key, answer: &Message) -> (Digest, Option<ChainHash>) {
        let Some(mut sent) = self.sent.clone() else {
            return (digest(key, answer), None);
        };
        let mut text = Vec::with_capacity(answer.content.len() + 64);
        sent.add(&mut text, answer, false);
        (hashed(key, &text), Some(sent.hash()))
    }

    /// How many messages these are.
    pub(crate) fn len(&self) -> usize {
        self.skipped + self.digests.len()
    }

    /// How many digests are left out.
    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }

    /// The digests of all but so many messages, of which none is left out.
    pub(crate) fn behind(&self, known: usize) -> &[Digest] {
        let behind = known.checked_sub(self.skipped);
        behind
            .and_then(|behind| self.digests.get(behind..))
            .unwrap_or_default()
    }

    /// The hash of each message with all before it, where they follow `began`.
    pub(super) fn chain(&self, key: &Key, began: ChainHash) -> Chain {
        let mut hashes = Vec::with_capacity(self.digests.len() + 1);
        let mut last = began;
        if self.skipped > 0 {
            last = self.skipped_hash;
            hashes.push(last);
        }
        hashes.extend(self.digests.iter().map(|digest| {
            last = chained(key, &last, digest);
            last
        }));
        Chain {
            first: self.skipped.max(1),
            hashes,
        }
    }
}

fn digest_of(key: &Key, message: &Message, is_aside: bool) -> Digest {
    match is_aside {
        true => ASIDE,
        false => digest(key, message),
    }
}

/// The hash of each message with all before it.
#[derive(Debug)]
pub(super) struct Chain {
    /// What the first hash is of: so many messages.
    first: usize,
    hashes: Vec<ChainHash>,
}

impl Chain {
    pub(super) fn len(&self) -> usize {
        self.first - 1 + self.hashes.len()
    }

    /// The hash up to so many messages; `None` where it is left out.
    pub(super) fn up_to(&self, messages: usize) -> Option<&ChainHash> {
        self.hashes.get(messages.checked_sub(self.first)?)
    }

    /// The hashes from that up to so many messages on.
    pub(super) fn from(&self, messages: usize) -> &[ChainHash] {
        let begin = messages.saturating_sub(self.first);
        self.hashes.get(begin..).unwrap_or_default()
    }

    pub(super) fn last(&self) -> Option<&ChainHash> {
        self.hashes.last()
    }

    /// Whether none is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.first == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Role;

    const KEY: Key = [7; 32];
    const SCOPE: ChainHash = [1; 16];

    fn talk(turns: usize) -> Vec<Message> {
        let text = |number: usize| format!("{number} {}", "long ".repeat(200));
        let turn = |number| {
            [
                Message::new(Role::User, text(number)),
                Message::new(Role::Assistant, text(number)),
            ]
        };
        let mut messages: Vec<Message> = (0..turns).flat_map(turn).collect();
        messages.push(Message::new(Role::User, "and then?"));
        messages
    }

    #[test]
    fn of_what_is_remembered_the_hashes_are_the_same() {
        for is_answer_changed in [true, false] {
            let mut memory = Memory::new();
            let mut messages = talk(9);
            for answered in [18, 20, 22] {
                let said = Said::remembering(&KEY, &SCOPE, &messages, answered, &memory);
                let skipped = match answered {
                    18 => 0,
                    _ => answered - usize::from(is_answer_changed),
                };
                assert_eq!(said.skipped(), skipped);
                let whole = Said::new(&KEY, &messages).chain(&KEY, SCOPE);
                let chain = said.chain(&KEY, SCOPE);
                assert_eq!(chain.len(), whole.len());
                assert_eq!(chain.is_whole(), skipped == 0);
                for number in skipped.max(1)..=whole.len() {
                    assert_eq!(chain.up_to(number), whole.up_to(number));
                    assert_eq!(chain.from(number), whole.from(number));
                }
                let answer = Message::new(Role::Assistant, "that");
                memory.learn_said(said.remembered_by(true).unwrap(), *whole.last().unwrap());
                messages.push(answer.clone());
                let whole = Said::new(&KEY, &messages).chain(&KEY, SCOPE);
                let (digest, with_answer) = said.answered(&KEY, &answer);
                assert_eq!(digest, super::digest(&KEY, &answer));
                memory.learn_said(with_answer.unwrap(), *whole.last().unwrap());
                if is_answer_changed {
                    messages.last_mut().unwrap().content.push('!');
                }
                messages.push(Message::new(Role::User, "I see"));
            }
        }
    }

    #[test]
    fn a_short_history_is_remembered_with_its_answer_alone() {
        let short = [Message::new(Role::User, "hello")];
        let said = Said::remembering(&KEY, &SCOPE, &short, 0, &Memory::new());
        assert_eq!(said.remembered_by(true), None);
        assert!(said.remembered_by(false).is_some());
        let answer = |text: &str| Message::new(Role::Assistant, text);
        let with = |text: &str| said.answered(&KEY, &answer(text)).1;
        assert!(with("hi").is_some());
        assert_ne!(with("hi"), with("ho"));
        assert_ne!(with("hi"), said.remembered_by(false));
    }

    #[test]
    fn what_differs_is_not_taken_for_what_is_remembered() {
        let mut memory = Memory::new();
        let said = Said::remembering(&KEY, &SCOPE, &talk(9), 18, &memory);
        memory.learn_said(said.remembered_by(true).unwrap(), [5; 16]);
        let skipped = |scope: &ChainHash, messages: &[Message]| {
            let answered = messages.len() - 1;
            Said::remembering(&KEY, scope, messages, answered, &memory).skipped()
        };
        let mut next = talk(9);
        next.push(Message::new(Role::Assistant, "that"));
        next.push(Message::new(Role::User, "I see"));
        assert_eq!(skipped(&SCOPE, &next), 19);
        assert_eq!(skipped(&[2; 16], &next), 0);
        next[3].content.push('!');
        assert_eq!(skipped(&SCOPE, &next), 0);
        let mut moved = talk(9);
        moved.swap(0, 2);
        moved.extend(next.drain(19..));
        assert_eq!(skipped(&SCOPE, &moved), 0);
    }
}
