//! A proxy that cuts the connection while a transaction is being committed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::*;

/// When the proxy cuts.
#[derive(Clone, Copy)]
enum Cut {
    /// The server never sees the commit.
    Before,
    /// The server has committed, and its answer is lost.
    After,
}

/// Forwards to this server and cuts the first commit. The proxy's own address.
async fn cutting_proxy(server: String, cut: Cut) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let is_armed = Arc::new(AtomicBool::new(true));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let cutting = Arc::new(AtomicBool::new(false));
            tokio::spawn(requests(
                from_client,
                to_server,
                cut,
                Arc::clone(&is_armed),
                Arc::clone(&cutting),
            ));
            tokio::spawn(answers(from_server, to_client, cutting));
        }
    });
    address
}

async fn requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    cut: Cut,
    is_armed: Arc<AtomicBool>,
    cutting: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = client.read(&mut buffer).await {
        let commits = buffer[..read].ends_with(b"COMMIT");
        if commits && is_armed.swap(false, Ordering::SeqCst) {
            cutting.store(true, Ordering::SeqCst);
            if matches!(cut, Cut::Before) {
                return;
            }
        }
        if server.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, cutting: Arc<AtomicBool>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = server.read(&mut buffer).await {
        if cutting.load(Ordering::SeqCst) || client.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn cut_at_commit(cut: Cut, rows_behind_the_cut: i64) {
    let database = Database::new().await;
    database.store().prepare(NOON).await.unwrap();
    let dsn = database.dsn();
    let (login, rest) = dsn.split_once('@').unwrap();
    let (address, name) = rest.split_once('/').unwrap();
    let proxy = cutting_proxy(address.to_owned(), cut).await;
    let options = StoreOptions::default();
    let store = store(
        &format!("{login}@{proxy}/{name}?ssl-mode=DISABLED"),
        &options,
    );
    let batch: Vec<ExchangeRows> = (0..50).map(|at| exchange("s", NOON + at)).collect();
    let error = store.write(&batch).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let rows = "SELECT count(*) FROM conversation_histories";
    assert_eq!(database.number(rows).await, rows_behind_the_cut);
    store.write(&batch).await.unwrap();
    assert_eq!(database.number(rows).await, 100);
    store.maintain(NOON + DAY).await.unwrap();
    assert_eq!(count_of(&store, "s").await, 100);
    assert_eq!(
        database
            .number("SELECT sum(messages) FROM usage_daily")
            .await,
        100
    );
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_sent_again() {
    cut_at_commit(Cut::Before, 0).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_sent_again_and_changes_nothing() {
    cut_at_commit(Cut::After, 100).await;
}
