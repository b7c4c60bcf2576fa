//! Finds the place of an exchange in its conversation.

use super::{
    Facts, Key,
    canon::{self, Digest},
    memory::{Memory, Stand},
};
use crate::{
    id::Id,
    partition::Day,
    store::{ChainHash, KnownMessage, Recall, UnixMillis},
};

/// What an exchange says of its place.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The hash that the chains of this user begin with.
    pub(crate) scope: ChainHash,
    pub(crate) session: Session,
    /// Whether this kind of client sends everything that was said, also where nothing was yet.
    pub(crate) sends_history: bool,
    /// What was said, without what the application told the model before.
    pub(crate) digests: Vec<Digest>,
    /// How many messages stand up to each answer of the model, itself included, in order.
    pub(crate) answers: Vec<usize>,
    /// What the application told the model before.
    pub(crate) prompt: Option<ChainHash>,
    /// When the exchange began.
    pub(crate) at: UnixMillis,
    /// Whether it was looked for in vain before.
    pub(crate) is_second_look: bool,
}

/// Which conversation an exchange belongs to, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// This one.
    Named(Id),
    /// The one that holds its history; else this new one.
    Inferred(Id),
    /// A new one.
    New(Id),
}

impl Session {
    /// The conversation, or the one that begins where none is found.
    pub(crate) fn id(self) -> Id {
        match self {
            Self::Named(id) | Self::Inferred(id) | Self::New(id) => id,
        }
    }
}

/// What became of looking for a place.
#[derive(Debug)]
pub(crate) enum Placing {
    Placed(Thread),
    /// The database has to be asked first: what for was added to the recall.
    Unknown,
    /// What its history ends with may still be on its way: it is to be looked for again.
    Later,
}

/// The place of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) conversation: Id,
    /// The conversation's session id, where it was found by its history.
    pub(crate) inferred: Option<String>,
    /// So many messages are stored already.
    pub(crate) known: usize,
    /// The message that the first new one follows, or the answer where none is new.
    pub(crate) parent: Option<Id>,
    /// The hash of that, or of the user where there is none.
    pub(crate) parent_hash: ChainHash,
    /// Whether the client sent what was said before.
    pub(crate) sends_history: bool,
    /// The hash under which the prompt is to be stored, where it does not stand there today.
    pub(crate) new_prompt: Option<ChainHash>,
}

/// Finds the places of exchanges, and remembers those it found.
#[derive(Debug)]
pub(crate) struct Threader {
    key: Key,
    /// A conversation whose last answer is older is not found by its history.
    infer_within_ms: i64,
    memory: Memory,
}

impl Threader {
    pub(crate) fn new(key: Key, infer_within_ms: i64) -> Self {
        Self {
            key,
            infer_within_ms,
            memory: Memory::new(),
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Finds the place of an exchange, or says what has to be known for that.
    pub(crate) fn place(&self, asked: &Asked, facts: &Facts, recall: &mut Recall) -> Placing {
        let look = Look {
            threader: self,
            asked,
            facts,
        };
        match asked.session {
            Session::New(conversation) => look.at_root(conversation),
            Session::Named(conversation) => look.in_named(conversation, recall),
            Session::Inferred(new) => look.by_history(new, recall),
        }
    }

    /// The hash of a message that follows `parent`.
    pub(crate) fn chained(&self, parent: &ChainHash, message: &Digest) -> ChainHash {
        canon::chained(&self.key, parent, message)
    }

    /// Remembers a row that was made of an exchange with this place.
    pub(crate) fn learn(&mut self, known: KnownMessage, is_answer: bool) {
        let KnownMessage {
            conversation_id,
            id,
            chain_hash,
        } = known;
        self.memory.learn_message(conversation_id, chain_hash, id);
        if is_answer {
            self.memory.learn_answer(known);
        }
    }

    /// Remembers where the conversation stands after an exchange.
    pub(crate) fn learn_head(
        &mut self,
        thread: &Thread,
        session_id: &str,
        head: Option<(Id, ChainHash)>,
        is_answered: bool,
    ) {
        let before = self.memory.stand(thread.conversation);
        let unanswered = match thread.known {
            _ if is_answered => None,
            0 => Some((thread.parent, thread.parent_hash)),
            _ => before.and_then(|stand| stand.unanswered),
        };
        let stand = Stand {
            unanswered,
            session_id: session_id.to_owned(),
            sends_history: thread.sends_history || before.is_some_and(|stand| stand.sends_history),
            head: head.max(before.and_then(|stand| stand.head)),
        };
        self.memory.learn_stand(thread.conversation, stand);
    }
}

/// One look for the place of one exchange.
#[derive(Clone, Copy)]
struct Look<'a> {
    threader: &'a Threader,
    asked: &'a Asked,
    facts: &'a Facts,
}

impl Look<'_> {
    /// A conversation of its own, which holds nothing.
    fn at_root(self, conversation: Id) -> Placing {
        Placing::Placed(Thread {
            new_prompt: self
                .asked
                .prompt
                .map(|prompt| self.mark(conversation, &prompt)),
            ..self.thread(conversation, 0, None, self.asked.scope)
        })
    }

    fn in_named(self, conversation: Id, recall: &mut Recall) -> Placing {
        self.want_prompt(conversation, recall);
        if !self.asked.answers.is_empty() || self.asked.sends_history {
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
        if sends_history {
            let chain = self.chain(self.asked.scope);
            return self.under_known(conversation, &chain, recall);
        }
        if let Some(again) = stand.and_then(|stand| self.tried_again(conversation, stand)) {
            return self.with_prompt(again, recall);
        }
        let stored = head.and_then(|head| head.message);
        let stored = stored.map(|message| (message.id, message.chain_hash));
        let newest = stored.max(stand.and_then(|stand| stand.head));
        let (parent, hash) = newest.map_or((None, self.asked.scope), |(id, hash)| (Some(id), hash));
        self.with_prompt(self.thread(conversation, 0, parent, hash), recall)
    }

    /// The same words as in the newest exchange, which was not answered.
    fn tried_again(self, conversation: Id, stand: &Stand) -> Option<Thread> {
        let (_, hash) = stand.unanswered?;
        let last = *self.chain(hash).last()?;
        let id = self.find(conversation, &last)?;
        Some(self.thread(conversation, self.asked.digests.len(), Some(id), last))
    }

    /// Under the last message of the longest beginning that the conversation holds.
    fn under_known(self, conversation: Id, chain: &[ChainHash], recall: &mut Recall) -> Placing {
        // The last answer is stored, as a rule; what follows it may be, where it is tried again.
        let usual = self.asked.answers.last().map_or(1, |answered| *answered);
        let longest = |from: usize, to: usize| {
            (from..=to).rev().find_map(|known| {
                let hash = chain.get(known.checked_sub(1)?)?;
                Some((known, self.find(conversation, hash)?, *hash))
            })
        };
        let mut found = longest(usual, chain.len());
        if found.is_none() {
            let tail = chain.get(usual.saturating_sub(1)..).unwrap_or_default();
            if self.want(tail, recall) {
                return Placing::Unknown;
            }
            if usual > 1 {
                if !self.asked.is_second_look {
                    return Placing::Later;
                }
                if self.want(chain, recall) {
                    return Placing::Unknown;
                }
                found = longest(1, usual - 1);
            }
        }
        let thread = match found {
            Some((known, id, hash)) => self.thread(conversation, known, Some(id), hash),
            None => self.thread(conversation, 0, None, self.asked.scope),
        };
        self.with_prompt(thread, recall)
    }

    /// In the conversation that holds the longest beginning up to an answer.
    fn by_history(self, new: Id, recall: &mut Recall) -> Placing {
        let Some(last) = self.asked.answers.last() else {
            return self.at_root(new);
        };
        let chain = self.chain(self.asked.scope);
        let up_to = |answered: &usize| chain.get(answered.checked_sub(1)?);
        let mut found = up_to(last).and_then(|hash| self.find_answer(hash));
        if found.is_none() {
            if self.want(up_to(last).as_slice().iter().copied(), recall) {
                return Placing::Unknown;
            }
            if !self.asked.is_second_look {
                return Placing::Later;
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
        let session_id = match (
            self.threader.memory.stand(conversation),
            self.facts.head(conversation),
        ) {
            (Some(stand), _) => stand.session_id.clone(),
            (None, Some(Some(head))) => head.session_id.clone(),
            // It was erased, or is too old by now.
            (None, Some(None)) => return self.at_root(new),
            (None, None) => {
                recall.conversations.push(conversation);
                return Placing::Unknown;
            }
        };
        match self.under_known(conversation, &chain, recall) {
            Placing::Placed(thread) => Placing::Placed(Thread {
                inferred: Some(session_id),
                ..thread
            }),
            other => other,
        }
    }

    fn thread(
        self,
        conversation: Id,
        known: usize,
        parent: Option<Id>,
        parent_hash: ChainHash,
    ) -> Thread {
        Thread {
            conversation,
            inferred: None,
            known,
            parent,
            parent_hash,
            sends_history: self.asked.sends_history || !self.asked.answers.is_empty(),
            new_prompt: None,
        }
    }

    /// The hash of each message with all before it, from this one on.
    fn chain(self, mut last: ChainHash) -> Vec<ChainHash> {
        let digests = self.asked.digests.iter();
        digests
            .map(|digest| {
                last = self.threader.chained(&last, digest);
                last
            })
            .collect()
    }

    fn find(self, conversation: Id, hash: &ChainHash) -> Option<Id> {
        let remembered = self.threader.memory.message(conversation, *hash);
        remembered.or_else(|| self.facts.message(conversation, hash))
    }

    /// The conversation of the newest answer with this hash, where that is new enough.
    fn find_answer(self, hash: &ChainHash) -> Option<Id> {
        let remembered = self.threader.memory.answer(*hash);
        let known = remembered.or_else(|| self.facts.anywhere(hash))?;
        let age = self.asked.at.saturating_sub(known.id.unix_ms());
        (age <= self.threader.infer_within_ms).then_some(known.conversation_id)
    }

    /// Adds what was not asked yet, and says whether there was any.
    fn want<'h>(
        self,
        hashes: impl IntoIterator<Item = &'h ChainHash>,
        recall: &mut Recall,
    ) -> bool {
        let before = recall.hashes.len();
        let unasked = hashes
            .into_iter()
            .filter(|hash| !self.facts.has_asked(hash));
        recall.hashes.extend(unasked);
        recall.hashes.len() > before
    }

    /// The hash under which a prompt stands among the conversation's rows of the day.
    fn mark(self, conversation: Id, prompt: &ChainHash) -> ChainHash {
        let day = Day::from_unix_ms(self.asked.at).to_string();
        canon::mark(&self.threader.key, conversation.as_bytes(), &day, prompt)
    }

    /// Asks early whether the prompt stands there, so that one question does.
    fn want_prompt(self, conversation: Id, recall: &mut Recall) {
        if let Some(prompt) = &self.asked.prompt {
            let mark = self.mark(conversation, prompt);
            if self.find(conversation, &mark).is_none() {
                self.want([&mark], recall);
            }
        }
    }

    fn with_prompt(self, mut thread: Thread, recall: &mut Recall) -> Placing {
        if let Some(prompt) = &self.asked.prompt {
            let mark = self.mark(thread.conversation, prompt);
            let stored = self.find(thread.conversation, &mark).is_some();
            // A branch of its own has the prompt at its root, where reading finds it.
            let is_rooted = thread.parent.is_none();
            if !stored && !is_rooted && self.want([&mark], recall) {
                return Placing::Unknown;
            }
            thread.new_prompt = (!stored || is_rooted).then_some(mark);
        }
        Placing::Placed(thread)
    }
}
