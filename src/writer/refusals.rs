//! Telling of what the database refused, without a line for each where it refuses everything.

use std::time::{Duration, Instant};

use crate::{
    id::Id,
    store::{ExchangeRows, StoreError},
};

/// Between two lines lies at least this time.
const PAUSE: Duration = Duration::from_secs(10);

/// What was refused, and when that was last said.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    last_told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// Says that an exchange was refused, and whether it was kept as a reject.
    pub(crate) fn tell(
        &mut self,
        rows: &ExchangeRows,
        reason: &str,
        kept: Result<(), &StoreError>,
    ) {
        if let Some(others) = self.count(Instant::now()) {
            let exchange_id: Id = rows.exchange.exchange_id;
            match kept {
                Ok(()) => {
                    tracing::warn!(%exchange_id, reason, others, "the database refused an exchange");
                }
                Err(error) => tracing::error!(
                    %exchange_id, reason, %error, others,
                    "the database refused an exchange, and to keep it as a reject"
                ),
            }
        }
    }

    /// How many were not told of before this one, where it is time to tell.
    fn count(&mut self, now: Instant) -> Option<u64> {
        let is_early = self.last_told.is_some_and(|last| now < last + PAUSE);
        if is_early {
            self.untold += 1;
            return None;
        }
        self.last_told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_in_a_row_is_told_once_with_its_number() {
        let mut refusals = Refusals::default();
        let now = Instant::now();
        assert_eq!(refusals.count(now), Some(0));
        for _ in 0..3 {
            assert_eq!(refusals.count(now), None);
        }
        assert_eq!(refusals.count(now + PAUSE), Some(3));
        assert_eq!(refusals.count(now + 2 * PAUSE), Some(0));
    }
}
