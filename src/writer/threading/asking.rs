//! What an exchange says of its place.

use crate::{
    id::Id,
    store::ChainHash,
    thread::{Asked, Said, Session, Threader, hinted, prompt_hash, response_hash, scope},
    writer::hear::Heard,
};

/// Exchanges that have to keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Conversation(Id),
    /// Which conversation of this user's each belongs to is not known yet.
    User(ChainHash),
}

/// An exchange that looks for its place.
pub(super) struct Asking {
    pub(super) number: u64,
    pub(super) heard: Box<Heard>,
    pub(super) scope: ChainHash,
    /// What it says of its place, from when that is looked for: then much of it may be remembered.
    pub(super) asked: Option<Asked>,
}

impl Asking {
    pub(super) fn new(threader: &Threader, number: u64, heard: Box<Heard>) -> Self {
        Self {
            number,
            scope: scope_of(threader, &heard),
            heard,
            asked: None,
        }
    }

    pub(super) fn order(&self) -> Order {
        match self.heard.identity.session {
            Session::Inferred(_) => Order::User(self.scope),
            session => Order::Conversation(session.id()),
        }
    }
}

/// The hash that the chains of whoever speaks begin with.
pub(in crate::writer) fn scope_of(threader: &Threader, heard: &Heard) -> ChainHash {
    let (key, identity) = (threader.key(), &heard.identity);
    match &identity.hint {
        Some(hint) => hinted(key, &identity.tenant, hint),
        None => scope(
            key,
            &identity.tenant,
            identity.named_user.as_deref(),
            identity.session.id(),
        ),
    }
}

/// What an exchange says of its place, in this scope.
pub(in crate::writer) fn ask(threader: &Threader, heard: &Heard, scope: ChainHash) -> Asked {
    let Heard {
        id,
        identity,
        prompt,
        is_wordless,
        is_second_look,
        ..
    } = heard;
    let key = threader.key();
    let is_instructed = !prompt.instructions.is_empty() || prompt.tools.is_some();
    let previous = prompt.goes_on_from.as_deref();
    let answers: Vec<usize> = prompt.answers().collect();
    let is_by_history =
        previous.is_none() && !is_wordless && !matches!(identity.session, Session::New(_));
    let said = match answers.last() {
        Some(answered) if is_by_history => threader.said(&scope, &prompt.messages, *answered),
        None if is_by_history => threader.said(&scope, &prompt.messages, 0),
        _ => Said::new(key, &prompt.messages),
    };
    Asked {
        scope,
        session: identity.session,
        sends_history: identity.sends_history,
        said,
        answers,
        prompt: is_instructed
            .then(|| prompt_hash(key, &prompt.instructions, prompt.tools.as_deref())),
        goes_on_from: previous.map(|id| response_hash(key, &scope, id)),
        at: id.unix_ms(),
        is_wordless: *is_wordless,
        is_second_look: *is_second_look,
    }
}
