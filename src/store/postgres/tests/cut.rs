use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// Where a proxy cuts the connection of a commit.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    /// The server never hears of it.
    Before,
    /// The server has committed, and the answer is lost.
    After,
}

/// A proxy to this server that cuts this many commits.
async fn proxy(server: String, cut: Cut, commits: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let left = Arc::new(AtomicUsize::new(commits));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(relay(client, server, cut, Arc::clone(&left)));
        }
    });
    port
}

async fn relay(mut client: TcpStream, mut server: TcpStream, cut: Cut, left: Arc<AtomicUsize>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut committing = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read.unwrap_or(0)];
                let commit = bytes.windows(7).any(|word| word == b"COMMIT\0");
                let take = |left: usize| left.checked_sub(1);
                if commit && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
                    committing = true;
                }
                if bytes.is_empty() || (committing && cut == Cut::Before) {
                    return;
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read.unwrap_or(0)];
                if bytes.is_empty() || committing || client.write_all(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn assert_stands_once(cut: Cut) {
    let database = Database::new().await;
    database.store().prepare(NOON).await.unwrap();
    let dsn = database.dsn();
    let (before, rest) = dsn.split_once('@').unwrap();
    let (server, after) = rest.split_once('/').unwrap();
    // The look at the mode is a transaction, too.
    let port = proxy(server.to_owned(), cut, 3).await;
    let dsn = format!("{before}@127.0.0.1:{port}/{after}");
    let store = store(&dsn, &StoreOptions::default());
    let batch: Vec<ExchangeRows> = (0..100)
        .map(|number| exchange(&format!("s{}", number % 7), NOON + number))
        .collect();
    let mut cuts = 0;
    while let Err(error) = store.write(&batch).await {
        assert!(error.is_transient(), "{error}");
        cuts += 1;
    }
    assert_eq!(cuts, 3);
    store.write(&batch).await.unwrap();
    let rows = database.number("SELECT count(*) FROM conversation_histories");
    assert_eq!(rows.await, 200);
    store.maintain(NOON + 2 * DAY).await.unwrap();
    let counted = database.number("SELECT sum(message_count) FROM conversations");
    assert_eq!(counted.await, 200);
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_sent_again() {
    assert_stands_once(Cut::Before).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_stands_once() {
    assert_stands_once(Cut::After).await;
}
