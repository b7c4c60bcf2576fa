//! A store that keeps nothing: behind the DSN `discard:`, to measure what the layer itself costs.

use super::{
    Conversation, ExchangeRows, Page, Store, StoreFuture, StoredError, StoredMessage, UnixMillis,
};
use crate::id::Id;

#[derive(Debug)]
pub(super) struct Discard;

fn nothing<T: Default + Send + 'static>() -> StoreFuture<'static, T> {
    Box::pin(std::future::ready(Ok(T::default())))
}

impl Store for Discard {
    fn prepare(&self, _: UnixMillis) -> StoreFuture<'_, ()> {
        nothing()
    }

    fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        nothing()
    }

    fn reject<'a>(&'a self, _: &'a ExchangeRows, _: &'a str) -> StoreFuture<'a, ()> {
        nothing()
    }

    fn maintain(&self, _: UnixMillis) -> StoreFuture<'_, ()> {
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
        _: usize,
        _: usize,
    ) -> StoreFuture<'a, Page<Conversation>> {
        nothing()
    }

    fn messages(&self, _: Id, _: usize) -> StoreFuture<'_, Page<StoredMessage>> {
        nothing()
    }

    fn errors(&self, _: Id, _: usize) -> StoreFuture<'_, Page<StoredError>> {
        nothing()
    }
}
