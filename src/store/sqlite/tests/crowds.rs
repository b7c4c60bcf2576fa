use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use futures_util::future::join_all;

use super::*;

/// Threads for blocking work: fewer than there are calls.
const THREADS: usize = 12;

/// A runtime with these threads.
fn small_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        .build()
        .unwrap()
}

#[test]
fn a_crowd_that_waits_for_the_store_leaves_threads_to_the_application() {
    small_runtime().block_on(async {
        let database = Database::open().await;
        let store = Arc::new(database.store());
        store.prepare(NOON).await.unwrap();
        let (release, released) = mpsc::channel::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        let first = store.change(move |_, _| Ok(released.recv().is_ok()));
        let mut first = std::pin::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        let crowd: Vec<_> = (0..700)
            .map(|number| {
                let (store, done) = (Arc::clone(&store), Arc::clone(&done));
                tokio::spawn(async move {
                    match number % 2 {
                        0 => store.write(&[exchange("s", NOON + number)]).await.unwrap(),
                        _ => drop(store.messages(id_of("s"), None, 5).await.unwrap()),
                    }
                    done.fetch_add(1, SeqCst);
                })
            })
            .collect();
        // Every one of the crowd has asked by now.
        tokio::task::yield_now().await;
        let resolved = tokio::task::spawn_blocking(|| "192.0.2.1");
        let resolved = tokio::time::timeout(Duration::from_secs(5), resolved).await;
        assert!(resolved.is_ok(), "no thread was left");
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        join_all(crowd).await;
        assert_eq!(done.load(SeqCst), 700);
    });
}

#[test]
fn who_stops_waiting_leaves_the_queue() {
    small_runtime().block_on(async {
        let database = Database::open().await;
        let store = database.store();
        store.prepare(NOON).await.unwrap();
        let (release, released) = mpsc::channel::<()>();
        let first = store.change(move |_, _| Ok(released.recv().is_ok()));
        let mut first = std::pin::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        let rows = [exchange("s", NOON)];
        {
            let mut waiting = std::pin::pin!(store.write(&rows));
            assert!(futures_util::poll!(&mut waiting).is_pending());
        }
        release.send(()).unwrap();
        assert!(first.await.unwrap());
        store.change(|_, _| Ok(())).await.unwrap();
        assert_eq!(store.conversation(id_of("s")).await.unwrap(), None);
    });
}
