//! Exchanges that are written together, frozen until their fate is known.

use std::{mem, time::Instant};

use crate::{
    store::{ExchangeRows, MessageColumns, UnixMillis},
    vault::Vault,
};

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

    /// Lets go of the exchanges that began before this time, and says how many there were.
    pub(crate) fn expire(&mut self, before: UnixMillis, vault: &Vault) -> usize {
        if !self
            .exchanges
            .iter()
            .any(|rows| rows.exchange.created_at < before)
        {
            return 0;
        }
        let old = mem::take(self);
        let count = old.exchanges.len();
        for (exchange, number) in old.exchanges.into_iter().zip(old.numbers) {
            let bytes = weight(&exchange);
            if exchange.exchange.created_at < before {
                vault.release(bytes);
            } else {
                self.add(number, exchange, bytes);
            }
        }
        count - self.exchanges.len()
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
    let ExchangeRows {
        conversation,
        exchange: columns,
        messages,
        error,
    } = exchange;
    let messages = messages.iter().map(message_weight);
    let error = error.iter().map(|error| {
        ROW_BYTES
            + error.role.as_str().len()
            + error.content.len()
            + error.error_message.len()
            + texts([&error.message_id, &error.other, &error.usage.raw])
    });
    let names = [
        &conversation.tenant,
        &conversation.session_id,
        &conversation.user_identifier,
        &conversation.session_source,
        &columns.tenant,
        &columns.user_id,
    ];
    let optional = [
        &conversation.title,
        &columns.token_id,
        &columns.channel_id,
        &columns.request_model,
        &columns.model_name,
        &columns.provider,
        &columns.ip,
        &columns.trace_id,
        &columns.tags,
    ];
    ROW_BYTES
        + names.iter().map(|name| name.len()).sum::<usize>()
        + texts(optional)
        + messages.chain(error).sum::<usize>()
}

fn message_weight(message: &MessageColumns) -> usize {
    let optional = [
        &message.message_id,
        &message.finish_reason,
        &message.other,
        &message.usage.raw,
    ];
    ROW_BYTES + message.role.as_str().len() + message.content.len() + texts(optional)
}

fn texts<const N: usize>(texts: [&Option<String>; N]) -> usize {
    texts.into_iter().flatten().map(String::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{conversation::Role, id::Id};

    #[test]
    fn every_text_of_a_row_is_weighed() {
        let message = |text: &str| MessageColumns {
            id: Id::exchange(1),
            parent_id: None,
            chain_hash: None,
            message_id: Some(text.to_owned()),
            role: Role::Other(text.to_owned()),
            choice_index: 0,
            usage: Default::default(),
            token_count: None,
            finish_reason: Some(text.to_owned()),
            prompt_hash: None,
            updated_at: 0,
            content: text.to_owned(),
            other: Some(text.to_owned()),
        };
        assert_eq!(message_weight(&message("four")), ROW_BYTES + 5 * 4);
    }

    #[test]
    fn what_retention_no_longer_keeps_is_let_go_of_and_the_rest_stays_in_order() {
        let vault = Vault::new(1 << 20);
        let mut batch = Batch::default();
        for (number, created_at) in [(1, 10), (2, 30), (3, 19), (4, 20)] {
            let mut rows = ExchangeRows::default();
            rows.exchange.created_at = created_at;
            batch.push(number, rows, &vault);
        }
        assert_eq!(batch.expire(20, &vault), 2);
        assert_eq!(batch.expire(20, &vault), 0);
        assert_eq!(batch.numbers, [2, 4]);
        assert_eq!(batch.bytes, vault.used());
        batch.settle(&vault);
        assert_eq!(vault.used(), 0);
    }
}
