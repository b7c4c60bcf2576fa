//! One look for the place of an exchange, in what is remembered and in what the database answered.

mod known;
mod prompt;

use super::{
    Facts,
    memory::Stand,
    said::Chain,
    threader::{Asked, Placing, Session, Thread, Threader},
};
use crate::{
    id::Id,
    store::{ChainHash, KnownMessage, Recall, Unanswered},
};

/// One look for the place of one exchange.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) threader: &'a Threader,
    pub(super) asked: &'a Asked,
    pub(super) facts: &'a Facts,
}

impl Look<'_> {
    pub(super) fn place(self, recall: &mut Recall) -> Placing {
        let session = self.asked.session;
        if let Some(response) = &self.asked.goes_on_from
            && !matches!(session, Session::New(_))
        {
            match self.find_response(response) {
                Some(Some(answer)) => match session {
                    Session::Named(id) if id != answer.conversation_id => {}
                    _ => return self.behind(&answer, recall),
                },
                None => {
                    recall.responses.push(*response);
                    return Placing::Unknown;
                }
                // It may still be on its way.
                Some(None) if !self.asked.is_second_look => return Placing::Later,
                Some(None) => {}
            }
        }
        match session {
            Session::New(conversation) => self.at_root(conversation),
            Session::Named(conversation) => self.in_named(conversation, recall),
            Session::Inferred(new) => self.by_history(new, recall),
        }
    }

    /// A conversation of its own, which holds nothing.
    fn at_root(self, conversation: Id) -> Placing {
        Placing::Placed(Thread {
            new_prompt: self
                .asked
                .prompt
                .map(|prompt| self.mark(conversation, &prompt)),
            ..self.thread(conversation, self.asked.scope, 0, None, self.asked.scope)
        })
    }

    fn in_named(self, conversation: Id, recall: &mut Recall) -> Placing {
        self.want_prompt(conversation, recall);
        let shows_history = !self.asked.answers.is_empty() || self.asked.sends_history;
        if shows_history && !self.asked.is_wordless {
            let chain = self.chain(self.asked.scope);
            return self.under_known(conversation, &chain, recall);
        }
        let Some(head) = self.facts.head(conversation) else {
            recall.conversations.push(conversation);
            return Placing::Unknown;
        };
        let stand = self.threader.memory.stand(conversation);
        let sends_history = stand.is_some_and(|stand| stand.sends_history)
            || head.is_some_and(|head| head.sends_history);
        if sends_history && !self.asked.is_wordless {
            let chain = self.chain(self.asked.scope);
            return self.under_known(conversation, &chain, recall);
        }
        let stored = head.and_then(|head| head.message);
        let stored = stored.map(|message| (message.id, message.chain_hash));
        let remembered = stand.and_then(|stand| stand.head);
        // Another gateway may have gone on with it.
        let stored_again = head
            .filter(|_| stored >= remembered)
            .and_then(|head| self.tried_elsewhere(head.unanswered?));
        let again = stored_again.or_else(|| {
            let stand = stand.filter(|_| stored <= remembered)?;
            self.tried_again(conversation, stand)
        });
        if let Some(again) = again {
            return self.with_prompt(again, recall);
        }
        let newest = stored.max(remembered);
        let (parent, hash) = newest.map_or((None, self.asked.scope), |(id, hash)| (Some(id), hash));
        self.with_prompt(self.thread(conversation, hash, 0, parent, hash), recall)
    }

    /// The same words as in the newest exchange, which was not answered.
    fn tried_again(self, conversation: Id, stand: &Stand) -> Option<Thread> {
        let began = stand.unanswered?;
        let last = *self.chain(began).last()?;
        let (id, known) = (self.find(conversation, &last)?, self.asked.said.len());
        Some(self.thread(conversation, began, known, Some(id), last))
    }

    /// The same words as in what was asked last, as the database has it.
    fn tried_elsewhere(self, unanswered: Unanswered) -> Option<Thread> {
        let Unanswered { question, follows } = unanswered;
        let KnownMessage {
            conversation_id,
            id,
            chain_hash,
        } = question;
        let (began, known) = (follows.unwrap_or(self.asked.scope), self.asked.said.len());
        let is_same = self.chain(began).last() == Some(&chain_hash);
        is_same.then(|| self.thread(conversation_id, began, known, Some(id), chain_hash))
    }

    /// Under the last message of the longest beginning that the conversation holds.
    fn under_known(self, conversation: Id, chain: &Chain, recall: &mut Recall) -> Placing {
        // The last answer is stored, as a rule; what follows it may be, where it is tried again.
        let usual = self.asked.answers.last().map_or(1, |answered| *answered);
        let longest = |from: usize, to: usize| {
            (from..=to).rev().find_map(|known| {
                let hash = chain.up_to(known)?;
                Some((known, self.find(conversation, hash)?, *hash))
            })
        };
        let mut found = longest(usual, chain.len());
        if let Some((known, id, chain_hash)) = found {
            let message = KnownMessage {
                conversation_id: conversation,
                id,
                chain_hash,
            };
            if self.want_behind(message, chain.from(known + 1), recall) {
                return Placing::Unknown;
            }
        }
        if found.is_none() {
            if self.want(chain.from(usual), recall) {
                return Placing::Unknown;
            }
            if usual > 1 {
                if !self.asked.is_second_look {
                    return Placing::Later;
                }
                if !chain.is_whole() {
                    return Placing::Unhashed;
                }
                if self.want(chain.from(1), recall) {
                    return Placing::Unknown;
                }
                found = longest(1, usual - 1);
            }
        }
        let thread = match found {
            Some((known, id, hash)) => {
                self.thread(conversation, self.asked.scope, known, Some(id), hash)
            }
            None => self.thread(conversation, self.asked.scope, 0, None, self.asked.scope),
        };
        self.with_prompt(thread, recall)
    }

    /// In the conversation that holds the longest beginning up to an answer.
    fn by_history(self, new: Id, recall: &mut Recall) -> Placing {
        let Some(last) = self.asked.answers.last() else {
            return self.at_root(new);
        };
        let chain = self.chain(self.asked.scope);
        let up_to = |answered: &usize| chain.up_to(*answered);
        let mut found = up_to(last).and_then(|hash| self.find_answer(hash));
        if found.is_none() {
            if self.want(up_to(last).as_slice().iter().copied(), recall) {
                return Placing::Unknown;
            }
            if !self.asked.is_second_look {
                return Placing::Later;
            }
            if !chain.is_whole() {
                return Placing::Unhashed;
            }
            let answers = self.asked.answers.iter();
            if self.want(answers.clone().filter_map(up_to), recall) {
                return Placing::Unknown;
            }
            found = answers
                .rev()
                .filter_map(up_to)
                .find_map(|hash| self.find_answer(hash));
        }
        let Some(conversation) = found else {
            return self.at_root(new);
        };
        let session_id = match self.session_id(conversation, recall) {
            Some(Some(session_id)) => session_id,
            Some(None) => return self.at_root(new),
            None => return Placing::Unknown,
        };
        match self.under_known(conversation, &chain, recall) {
            Placing::Placed(thread) => Placing::Placed(Thread {
                inferred: Some(session_id),
                ..thread
            }),
            other => other,
        }
    }

    /// Behind this answer; what was asked there before is not stored again.
    fn behind(self, answer: &KnownMessage, recall: &mut Recall) -> Placing {
        let conversation = answer.conversation_id;
        self.want_prompt(conversation, recall);
        let inferred = match (self.asked.session, self.session_id(conversation, recall)) {
            (Session::Named(_), _) => None,
            (_, Some(Some(session_id))) => Some(session_id),
            (session, Some(None)) => return self.at_root(session.id()),
            (_, None) => return Placing::Unknown,
        };
        let chain = self.chain(answer.chain_hash);
        let known = (1..=chain.len()).rev().find_map(|known| {
            let hash = chain.up_to(known)?;
            Some((known, self.find(conversation, hash)?, *hash))
        });
        let (known, id, hash) = known.unwrap_or((0, answer.id, answer.chain_hash));
        let message = KnownMessage {
            conversation_id: conversation,
            id,
            chain_hash: hash,
        };
        if self.want_behind(message, chain.from(known + 1), recall) {
            return Placing::Unknown;
        }
        let thread = Thread {
            inferred,
            ..self.thread(conversation, answer.chain_hash, known, Some(id), hash)
        };
        self.with_prompt(thread, recall)
    }

    fn thread(
        self,
        conversation: Id,
        began: ChainHash,
        known: usize,
        parent: Option<Id>,
        parent_hash: ChainHash,
    ) -> Thread {
        Thread {
            conversation,
            began,
            inferred: None,
            known,
            parent,
            parent_hash,
            sends_history: self.asked.sends_history || !self.asked.answers.is_empty(),
            new_prompt: None,
        }
    }

    /// The hash of each message with all before it, from this one on.
    fn chain(self, began: ChainHash) -> Chain {
        self.asked.said.chain(&self.threader.key, began)
    }
}
