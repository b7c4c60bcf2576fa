//! Without the feature there are no spans.

use crate::{decode::Spoken, exchange::Exchange, prefix::Prefix, store::ExchangeRows};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft(());

impl Draft {
    pub(crate) fn of(_: &Exchange, _: Prefix<'_>) -> Self {
        Self(())
    }

    pub(crate) fn tell(&mut self, _: &Spoken, _with_content: bool) {}

    pub(crate) fn weight(&self) -> usize {
        0
    }
}

pub(crate) fn emit<'a>(_: impl Iterator<Item = &'a ExchangeRows>) {}
