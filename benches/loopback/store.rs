//! A store that throws rows away, or waits with that until it is told to.

use tokio::sync::watch;
use tower_recording::store::{ExchangeRows, Store, StoreFuture};

/// Throws rows away, once it is open.
#[derive(Debug)]
pub struct Discarding {
    pub open: watch::Receiver<bool>,
}

impl Store for Discarding {
    fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let mut open = self.open.clone();
        Box::pin(async move {
            // Whoever could open it is gone when the process ends.
            let _ = open.wait_for(|open| *open).await;
            Ok(())
        })
    }
}
