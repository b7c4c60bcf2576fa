//! Exchanges that are written together, frozen until their fate is known.

use std::time::Instant;

use crate::{store::ExchangeRows, vault::Vault};

/// What a row takes beside its texts.
const ROW_BYTES: usize = 512;

/// Exchanges that are written together, each with the number it was taken off the ring with.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    exchanges: Vec<ExchangeRows>,
    numbers: Vec<u64>,
    rows: usize,
    bytes: usize,
    began: Option<Instant>,
}

/// What a batch holds, for those who cannot look into it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// The earliest exchange.
    pub(crate) first: Option<u64>,
    pub(crate) exchanges: usize,
    /// What is charged to the budget for it.
    pub(crate) bytes: usize,
}

impl Batch {
    /// Adds an exchange and charges what it holds.
    pub(crate) fn push(&mut self, number: u64, exchange: ExchangeRows, vault: &Vault) {
        let bytes = weight(&exchange);
        vault.charge(bytes);
        self.add(number, exchange, bytes);
    }

    /// Halves a batch that was refused, to find the exchange that is to blame.
    pub(crate) fn split(self) -> (Self, Self) {
        let (mut first, mut second) = (Self::default(), Self::default());
        let half = self.exchanges.len() / 2;
        for (index, exchange) in self.exchanges.into_iter().enumerate() {
            let number = self.numbers.get(index).copied().unwrap_or_default();
            let part = if index < half {
                &mut first
            } else {
                &mut second
            };
            let bytes = weight(&exchange);
            part.add(number, exchange, bytes);
        }
        (first, second)
    }

    fn add(&mut self, number: u64, exchange: ExchangeRows, bytes: usize) {
        self.began.get_or_insert_with(Instant::now);
        self.bytes += bytes;
        self.rows += row_count(&exchange);
        self.exchanges.push(exchange);
        self.numbers.push(number);
    }

    /// Lets go of what it holds.
    pub(crate) fn settle(self, vault: &Vault) {
        vault.release(self.bytes);
    }

    pub(crate) fn exchanges(&self) -> &[ExchangeRows] {
        &self.exchanges
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The earliest exchange.
    pub(crate) fn first(&self) -> Option<u64> {
        self.numbers.iter().copied().min()
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            first: self.first(),
            exchanges: self.exchanges.len(),
            bytes: self.bytes,
        }
    }

    /// When the first exchange came; now where there is none.
    pub(crate) fn began(&self) -> Instant {
        self.began.unwrap_or_else(Instant::now)
    }
}

/// At least one, so that a batch of exchanges without rows is full some day.
fn row_count(exchange: &ExchangeRows) -> usize {
    (exchange.messages.len() + usize::from(exchange.error.is_some())).max(1)
}

/// What an exchange's rows hold in memory, near enough for the budget.
fn weight(exchange: &ExchangeRows) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let messages = exchange.messages.iter().map(|message| {
        ROW_BYTES + message.content.len() + text(&message.other) + text(&message.usage.raw)
    });
    let error = exchange.error.iter().map(|error| {
        ROW_BYTES + error.content.len() + error.error_message.len() + text(&error.other)
    });
    ROW_BYTES + messages.chain(error).sum::<usize>()
}
