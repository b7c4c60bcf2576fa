//! Exchanges that are worked on together, charged to the budget as long as they are held.

use std::{mem, time::Instant};

use crate::store::{ExchangeRows, UnixMillis};

/// What an exchange is while it is in a writer's hands.
pub(crate) trait Weigh {
    /// What it holds in memory, near enough for the budget.
    fn weight(&self) -> usize;

    /// How many rows it is or will be, near enough for the size of a batch; at least one, so that a
    /// batch of exchanges without rows is full some day.
    fn rows(&self) -> usize;
}

impl<T: Weigh> Weigh for Box<T> {
    fn weight(&self) -> usize {
        (**self).weight()
    }

    fn rows(&self) -> usize {
        (**self).rows()
    }
}

/// Exchanges, each with the number it was taken off the ring with. Whoever holds a batch has what it
/// [`load`](Self::load)s charged to the budget.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    values: Vec<T>,
    marks: Vec<Mark>,
    rows: usize,
    bytes: usize,
    began: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    bytes: usize,
}

/// What a batch holds, for those who cannot look into it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// The earliest exchange.
    pub(crate) first: Option<u64>,
    pub(crate) exchanges: usize,
    pub(crate) rows: usize,
    /// What it takes of the budget.
    pub(crate) bytes: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            marks: Vec::new(),
            rows: 0,
            bytes: 0,
            began: None,
        }
    }
}

impl<T: Weigh> Batch<T> {
    /// An empty one with room for so many exchanges.
    pub(crate) fn with_capacity(exchanges: usize) -> Self {
        Self {
            values: Vec::with_capacity(exchanges),
            marks: Vec::with_capacity(exchanges),
            ..Self::default()
        }
    }

    /// Adds an exchange, and says what it takes of the budget.
    pub(crate) fn push(&mut self, number: u64, value: T) -> usize {
        let bytes = value.weight();
        self.add(Mark { number, bytes }, value);
        bytes
    }

    /// Halves a batch that was refused, to find the exchange that is to blame.
    pub(crate) fn split(self) -> (Self, Self) {
        let (mut first, mut second) = (Self::default(), Self::default());
        let half = self.values.len() / 2;
        for (index, (value, mark)) in self.values.into_iter().zip(self.marks).enumerate() {
            if index < half {
                first.add(mark, value);
            } else {
                second.add(mark, value);
            }
        }
        (first, second)
    }

    /// The exchanges with their numbers, in order.
    pub(crate) fn into_numbered(self) -> impl Iterator<Item = (u64, T)> {
        let numbers = self.marks.into_iter().map(|mark| mark.number);
        numbers.zip(self.values)
    }

    fn add(&mut self, mark: Mark, value: T) {
        self.began.get_or_insert_with(Instant::now);
        self.bytes += mark.bytes;
        self.rows += value.rows();
        self.marks.push(mark);
        self.values.push(value);
    }

    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The earliest exchange.
    pub(crate) fn first(&self) -> Option<u64> {
        self.marks.iter().map(|mark| mark.number).min()
    }

    pub(crate) fn load(&self) -> Load {
        Load {
            first: self.first(),
            exchanges: self.values.len(),
            rows: self.rows,
            bytes: self.bytes,
        }
    }

    /// When the first exchange came; now where there is none.
    pub(crate) fn began(&self) -> Instant {
        self.began.unwrap_or_else(Instant::now)
    }
}

impl Batch<ExchangeRows> {
    /// Takes out the exchanges that began before this time.
    pub(crate) fn expire(&mut self, before: UnixMillis) -> Self {
        let mut expired = Self::default();
        let is_old = |rows: &ExchangeRows| rows.exchange.created_at < before;
        if self.values.iter().any(is_old) {
            let all = mem::take(self);
            for (value, mark) in all.values.into_iter().zip(all.marks) {
                let batch = if is_old(&value) {
                    &mut expired
                } else {
                    &mut *self
                };
                batch.add(mark, value);
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_retention_no_longer_keeps_is_let_go_of_and_the_rest_stays_in_order() {
        let mut batch = Batch::default();
        let mut pushed = 0;
        for (number, created_at) in [(1, 10), (2, 30), (3, 19), (4, 20)] {
            let mut rows = ExchangeRows::default();
            rows.exchange.created_at = created_at;
            pushed += batch.push(number, rows);
        }
        let expired = batch.expire(20);
        assert_eq!(expired.load().bytes + batch.load().bytes, pushed);
        assert_eq!(expired.load().exchanges, 2);
        assert!(batch.expire(20).is_empty());
        let numbers: Vec<u64> = batch.into_numbered().map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 4]);
    }
}
