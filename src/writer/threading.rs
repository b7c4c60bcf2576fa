//! A batch of exchanges, each put into its place: the database is asked once for all of them.

pub(super) mod asking;
#[cfg(all(test, feature = "api"))]
mod tests;

use std::{
    collections::HashSet,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

pub(crate) use self::asking::Order;
use self::asking::{Asking, ask};
use super::{
    Workshop,
    batch::Batch,
    hear::Heard,
    job::caught,
    rows::{self, Hashes, Made},
};
use crate::{
    conversation::Role,
    store::{ExchangeRows, KnownMessage, Recall, Store, StoreError, UnixMillis},
    thread::{Asked, Facts, Placing, Thread, Threader},
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
    /// How much of the time went into making rows.
    pub(crate) making: Duration,
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
        let making = &mut threaded.making;
        let rows = guarded(workshop, || make(*heard, &asked, &thread, threader, making));
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

/// Makes the rows of an exchange at its place, and lets the threader learn them.
fn make(
    mut heard: Heard,
    asked: &Asked,
    thread: &Thread,
    threader: &mut Threader,
    making: &mut Duration,
) -> ExchangeRows {
    let hashes = Hashes::of(&mut heard, asked, thread, threader);
    let begun = Instant::now();
    let made = rows::make(heard, asked, thread, &hashes, threader);
    *making += begun.elapsed();
    learn(&made, &hashes, thread, threader);
    made.rows
}

fn learn(made: &Made, hashes: &Hashes, thread: &Thread, threader: &mut Threader) {
    let Made {
        rows,
        head,
        is_answered,
    } = made;
    for (remembered_by, hash) in hashes.said.into_iter().flatten() {
        threader.learn_said(remembered_by, hash);
    }
    for row in &rows.messages {
        if let Some(chain_hash) = row.chain_hash {
            let known = KnownMessage {
                conversation_id: thread.conversation,
                id: row.id,
                chain_hash,
            };
            threader.learn(known, row.role == Role::Assistant);
        }
    }
    if let Some(response) = &rows.response {
        threader.learn_response(response);
    }
    let session_id = &rows.conversation.session_id;
    threader.learn_head(thread, session_id, *head, *is_answered);
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
