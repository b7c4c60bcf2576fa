//! A replica that fails.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::*;

/// A store that counts how often it is read.
#[derive(Clone, Debug, Default)]
struct Counting {
    fails: bool,
    reads: Arc<AtomicUsize>,
}

impl Store for Counting {
    fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn messages(&self, _: Id, _: Option<Id>, _: usize) -> StoreFuture<'_, Page<StoredMessage>> {
        self.reads.fetch_add(1, Relaxed);
        Box::pin(async {
            match self.fails {
                true => Err(StoreError::Unavailable("nobody answers".to_owned())),
                false => Ok(Page::default()),
            }
        })
    }
}

impl Replicable for Counting {
    fn stamp(&self, _: Option<Id>) -> StoreFuture<'_, Option<Stamp>> {
        Box::pin(async { Ok(Some(Stamp::new("one".to_owned()))) })
    }

    fn with_stamp(&self, _: Stamp) -> Box<dyn Store> {
        Box::new(self.clone())
    }
}

/// How often the primary and the replica are asked for three reads.
async fn reads(fails: bool, rest: Duration) -> (usize, usize) {
    let primary = Counting::default();
    let replica = Counting {
        fails,
        ..Counting::default()
    };
    let store = Replicated::new(Arc::new(primary.clone()), Arc::new(replica.clone()), rest);
    for _ in 0..3 {
        let page = store.messages(Id::from_bytes([1; 16]), None, 1).await;
        assert!(page.is_ok());
    }
    (primary.reads.load(Relaxed), replica.reads.load(Relaxed))
}

#[tokio::test]
async fn a_replica_that_failed_rests_before_it_is_asked_again() {
    assert_eq!(reads(false, REST).await, (0, 3));
    assert_eq!(reads(true, REST).await, (3, 1));
    assert_eq!(reads(true, Duration::ZERO).await, (3, 3));
}

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn of_many_failures_one_is_logged() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || lines.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    reads(true, Duration::ZERO).await;
    drop(logging);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.contains("WARN") && log.contains("nobody answers"),
        "{log}"
    );
}
