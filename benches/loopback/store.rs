//! A store that throws rows away, or waits with that until it is told to.

use std::future::ready;

use tokio::sync::watch;
use tower_recording::{
    Id,
    store::{
        Conversation, ExchangeRows, Page, Store, StoreFuture, StoredError, StoredMessage,
        UnixMillis,
    },
};

/// Throws rows away, once it is open.
#[derive(Debug)]
pub struct Discarding {
    pub open: watch::Receiver<bool>,
}

fn nothing<T: Default + Send + 'static>() -> StoreFuture<'static, T> {
    Box::pin(ready(Ok(T::default())))
}

impl Store for Discarding {
    fn prepare(&self, _: UnixMillis) -> StoreFuture<'_, ()> {
        nothing()
    }

    fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let mut open = self.open.clone();
        Box::pin(async move {
            // Whoever could open it is gone when the process ends.
            let _ = open.wait_for(|open| *open).await;
            Ok(())
        })
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
