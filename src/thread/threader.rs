//! Finds the place of an exchange in its conversation.

use std::collections::HashSet;

use super::{
    Facts, Key,
    canon::{self, Digest},
    company::Company,
    look::Look,
    memory::{Memory, Stand},
    said::Said,
};
use crate::{
    conversation::Message,
    id::Id,
    store::{ChainHash, KnownMessage, KnownResponse, Recall, Recalled, UnixMillis},
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
    pub(crate) said: Said,
    /// How many messages stand up to each answer of the model, itself included, in order.
    pub(crate) answers: Vec<usize>,
    /// What the application told the model before.
    pub(crate) prompt: Option<ChainHash>,
    /// The response that it goes on from, where the client names one.
    pub(crate) goes_on_from: Option<ChainHash>,
    /// When the exchange began.
    pub(crate) at: UnixMillis,
    /// Whether it does not show what was said: it tells nothing of where it belongs.
    pub(crate) is_wordless: bool,
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

/// What hints at a conversation, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) address: String,
}

/// What became of looking for a place.
#[derive(Debug)]
pub(crate) enum Placing {
    Placed(Thread),
    /// The database has to be asked first: what for was added to the recall.
    Unknown,
    /// What its history ends with may still be on its way: it is to be looked for again.
    Later,
    /// It goes on from a place for which more than the end of its history has to be hashed.
    Unhashed,
}

/// The place of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) conversation: Id,
    /// The conversation's session id, where it was found by its history.
    pub(crate) inferred: Option<String>,
    /// The hash of what the first message of the request follows.
    pub(crate) began: ChainHash,
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
    pub(super) key: Key,
    /// A conversation whose last answer is older is not found by its history.
    pub(super) infer_within_ms: i64,
    pub(super) memory: Memory,
    pub(super) company: Company,
}

impl Threader {
    pub(crate) fn new(key: Key, infer_within_ms: i64) -> Self {
        Self {
            key,
            infer_within_ms,
            memory: Memory::new(),
            company: Company::default(),
        }
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn begin_batch(&mut self) {
        self.company.begin_batch();
    }

    /// Hears what the database answered: it may be of other writers.
    pub(crate) fn hear(&mut self, asked: &Recall, recalled: &Recalled) {
        self.company.hear(asked, recalled, &self.memory);
    }

    /// Finds the place of an exchange, or says what has to be known for that.
    pub(crate) fn place(&self, asked: &Asked, facts: &Facts, recall: &mut Recall) -> Placing {
        let look = Look {
            threader: self,
            asked,
            facts,
        };
        match look.place(recall) {
            Placing::Placed(thread) if thread.known < asked.said.skipped() => Placing::Unhashed,
            placing => placing,
        }
    }

    /// What was said, as hashes from this scope on. What stands up to the last answer, in `answered`
    /// messages, is not hashed one by one where it was before.
    pub(crate) fn said(&self, scope: &ChainHash, messages: &[Message], answered: usize) -> Said {
        Said::remembering(&self.key, scope, messages, answered, &self.memory)
    }

    /// Remembers which hash what was said comes to.
    pub(crate) fn learn_said(&mut self, remembered_by: ChainHash, hash: ChainHash) {
        self.memory.learn_said(remembered_by, hash);
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
        self.company.learn(id);
        if is_answer {
            self.memory.learn_answer(known);
        }
    }

    /// Remembers which answer a response was.
    pub(crate) fn learn_response(&mut self, response: &KnownResponse) {
        self.memory.learn_response(response);
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
        let stand = Stand {
            unanswered: (!is_answered).then_some(thread.began),
            session_id: session_id.to_owned(),
            sends_history: thread.sends_history || before.is_some_and(|stand| stand.sends_history),
            head: head.max(before.and_then(|stand| stand.head)),
        };
        self.memory.learn_stand(thread.conversation, stand);
    }

    /// Whether the first of so many rows is still remembered when the last was learned.
    pub(crate) fn remembers(&self, rows: usize) -> bool {
        rows <= Memory::ROWS
    }

    /// Forgets these conversations, which hold less than is remembered: nothing is to follow what
    /// was deleted or is not stored after all.
    pub(crate) fn forget_conversations(&mut self, conversations: &HashSet<Id>) {
        self.memory.forget_conversations(conversations);
    }
}
