//! A batch of exchanges, each put into its place: the database is asked once for all of them.

#[cfg(all(test, feature = "api"))]
mod tests;

use std::{
    collections::HashSet,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{Workshop, batch::Batch, hear::Heard, job::caught, rows};
use crate::{
    id::Id,
    store::{ChainHash, ExchangeRows, Recall, Store, StoreError, UnixMillis},
    thread::{
        Asked, Facts, Placing, Said, Session, Threader, hinted, prompt_hash, response_hash, scope,
    },
};

/// How far back a conversation is looked for what it holds, in milliseconds: 30 days.
const LOOKED_FOR_MS: UnixMillis = 30 * 86_400_000;
/// How far back is looked for what other gateways stored behind what is remembered here: a day.
const TRIED_AGAIN_MS: UnixMillis = 86_400_000;

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Threaded {
    /// Rows, frozen from now on.
    pub(crate) rows: Batch<ExchangeRows>,
    /// Exchanges that are to be looked at again in a while.
    pub(crate) held: Batch<Box<Heard>>,
    /// What has to keep its order with those that are held.
    pub(crate) behind: HashSet<Order>,
    /// Exchanges whose place could not be found out, since the store did not answer.
    pub(crate) left: Batch<Box<Heard>>,
    /// Why.
    pub(crate) error: Option<StoreError>,
}

/// Puts every exchange of the batch into its place, in order. What has to keep its order with one
/// that is held is held too.
pub(crate) async fn thread(
    workshop: &Workshop,
    store: &dyn Store,
    threader: &mut Threader,
    batch: Batch<Box<Heard>>,
    held: HashSet<Order>,
) -> Threaded {
    let mut threaded = Threaded {
        rows: Batch::with_capacity(batch.values().len()),
        behind: held,
        ..Threaded::default()
    };
    let mut facts = Facts::default();
    threader.begin_batch();
    let mut pass = Pass::default();
    for (number, heard) in batch.into_numbered() {
        let asking = Asking::new(threader, number, heard);
        pass.place(workshop, threader, &facts, asking, &mut threaded);
    }
    while !pass.unknown.is_empty() {
        let Pass {
            recall, unknown, ..
        } = mem::take(&mut pass);
        match caught(|| store.recall(&recall)).await {
            Ok(recalled) => {
                threader.hear(&recall, &recalled);
                facts.add(recall, recalled);
            }
            Err(error) => {
                for Asking { number, heard, .. } in unknown {
                    threaded.left.push(number, heard);
                }
                threaded.error = Some(error);
                return threaded;
            }
        }
        for asking in unknown {
            pass.place(workshop, threader, &facts, asking, &mut threaded);
        }
    }
    threaded
}

/// Exchanges that have to keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Conversation(Id),
    /// Which conversation of this user's each belongs to is not known yet.
    User(ChainHash),
}

/// An exchange that looks for its place.
struct Asking {
    number: u64,
    heard: Box<Heard>,
    scope: ChainHash,
    /// What it says of its place, from when that is looked for: then much of it may be remembered.
    asked: Option<Asked>,
}

impl Asking {
    fn new(threader: &Threader, number: u64, heard: Box<Heard>) -> Self {
        Self {
            number,
            scope: scope_of(threader, &heard),
            heard,
            asked: None,
        }
    }

    fn order(&self) -> Order {
        match self.heard.identity.session {
            Session::Inferred(_) => Order::User(self.scope),
            session => Order::Conversation(session.id()),
        }
    }
}

/// One pass over a batch.
#[derive(Default)]
struct Pass {
    recall: Recall,
    unknown: Vec<Asking>,
    behind_unknown: HashSet<Order>,
}

impl Pass {
    fn place(
        &mut self,
        workshop: &Workshop,
        threader: &mut Threader,
        facts: &Facts,
        mut asking: Asking,
        threaded: &mut Threaded,
    ) {
        let order = asking.order();
        let asked = asking.asked.take();
        let asked =
            asked.or_else(|| guarded(workshop, || ask(threader, &asking.heard, asking.scope)));
        let Some(mut asked) = asked else { return };
        let mut placing = threader.place(&asked, facts, &mut self.recall);
        if matches!(placing, Placing::Unhashed) {
            let messages = &asking.heard.prompt.messages;
            asked.said = asked.said.whole(threader.key(), messages);
            placing = threader.place(&asked, facts, &mut self.recall);
        }
        self.look_back_from(asked.at);
        if self.behind_unknown.contains(&order) && !threaded.behind.contains(&order) {
            // Whatever it waits for may be what stands before it; else the database is asked once for both.
            asking.asked = Some(asked);
            self.unknown.push(asking);
            return;
        }
        let is_later = matches!(placing, Placing::Later);
        asking.heard.is_second_look |= is_later;
        if is_later || threaded.behind.contains(&order) {
            threaded.behind.insert(order);
            threaded.held.push(asking.number, asking.heard);
            return;
        }
        let Placing::Placed(thread) = placing else {
            asking.asked = Some(asked);
            self.behind_unknown.insert(order);
            self.unknown.push(asking);
            return;
        };
        let Asking { number, heard, .. } = asking;
        let rows = guarded(workshop, || rows::make(*heard, &asked, &thread, threader));
        if let Some(rows) = rows {
            threaded.rows.push(number, rows);
        }
    }

    fn look_back_from(&mut self, at: UnixMillis) {
        for (since, back) in [
            (&mut self.recall.since, LOOKED_FOR_MS),
            (&mut self.recall.recent_since, TRIED_AGAIN_MS),
        ] {
            let begin = at.saturating_sub(back);
            *since = match *since {
                0 => begin,
                earlier => earlier.min(begin),
            };
        }
    }
}

/// What comes of this, or nothing where it panics: the writer goes on, and the exchange is counted.
fn guarded<T>(workshop: &Workshop, work: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(work));
    if result.is_err() {
        workshop.channel.counters.rejected.add(1);
        tracing::error!("an exchange was lost: making its rows panicked");
    }
    result.ok()
}

/// The hash that the chains of whoever speaks begin with.
pub(super) fn scope_of(threader: &Threader, heard: &Heard) -> ChainHash {
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
pub(super) fn ask(threader: &Threader, heard: &Heard, scope: ChainHash) -> Asked {
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
