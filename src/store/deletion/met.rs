//! Batches, sent until nothing of them turns out to have been deleted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Deletions, Fate, Found, Mark, marks};
use crate::store::{ExchangeRows, Recorded, StoreError, pack::Batch};

/// Marks that a store remembers having found.
const KNOWN_MARKS: usize = 65_536;

/// The deletions that a store has met, so that who goes on after one is not sent twice.
#[derive(Debug, Default)]
pub(in crate::store) struct Met(Mutex<Deletions>);

impl Met {
    fn lock(&self) -> MutexGuard<'_, Deletions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, marks: &[Mark]) -> Deletions {
        let met = self.lock();
        if met.0.is_empty() {
            return Deletions::default();
        }
        let known = |mark: &Mark| met.0.get(mark).map(|at| (*mark, *at));
        Deletions(marks.iter().filter_map(known).collect())
    }

    fn learn(&self, found: &Found) {
        let mut met = self.lock();
        if met.0.len() > KNOWN_MARKS {
            met.0.clear();
        }
        met.add(found);
    }
}

/// Sends a batch as often as something of it turns out to have been deleted.
pub(in crate::store) async fn record<F>(
    met: &Met,
    exchanges: &[ExchangeRows],
    mut send: impl FnMut(Batch) -> F,
) -> Result<Recorded, StoreError>
where
    F: Future<Output = Result<Fate, StoreError>>,
{
    let marks = marks(exchanges);
    let mut deletions = met.of(&marks);
    let mut new = Deletions::default();
    loop {
        let rest = deletions.apply(exchanges);
        let left_out = rows(exchanges) - rows(&rest.kept);
        let batch = Batch::new(&rest.kept, marks.clone(), deletions.clone(), rest.leaving);
        match send(batch).await? {
            Fate::Written => {
                let mut deleted = rest.deleted;
                let concerned = exchanges.iter().filter(|rows| new.of(rows).is_some());
                deleted.extend(concerned.map(|rows| rows.conversation.id));
                // Not before: whoever sends the batch again is to hear of it too.
                met.learn(&new.0.into_iter().collect());
                return Ok(Recorded {
                    erased: rest.erased,
                    deleted,
                    left_out,
                });
            }
            Fate::Deleted(found) => {
                deletions.add(&found);
                new.add(&found);
            }
        }
    }
}

fn rows(exchanges: &[ExchangeRows]) -> usize {
    let rows = |rows: &ExchangeRows| rows.messages.len() + usize::from(rows.error.is_some());
    exchanges.iter().map(rows).sum()
}
