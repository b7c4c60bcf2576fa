//! A store that keeps nothing: behind the DSN `discard:`, to measure what the layer itself costs.

use std::future::ready;

use super::{Conversation, ExchangeRows, Page, Place, Store, StoreFuture, StoredMessage};
use crate::id::Id;

#[derive(Debug)]
pub(super) struct Discard;

fn nothing<T: Default + Send + 'static>() -> StoreFuture<'static, T> {
    Box::pin(ready(Ok(T::default())))
}

impl Store for Discard {
    fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        nothing()
    }

    fn conversations_named<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>> {
        nothing()
    }

    fn conversation(&self, _: Id) -> StoreFuture<'_, Option<Conversation>> {
        nothing()
    }

    fn conversations_of_user<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Option<Place>,
        _: usize,
        _: usize,
    ) -> StoreFuture<'a, Page<Conversation>> {
        nothing()
    }

    fn messages(&self, _: Id, _: Option<Id>, _: usize) -> StoreFuture<'_, Page<StoredMessage>> {
        nothing()
    }
}
