//! A proxy between the recorder and its server that cuts connections while they commit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
};

/// How both protocols write it.
const COMMIT: &[u8] = b"COMMIT";

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The server never hears of the commit.
    Before,
    /// The server has committed, and its answer is lost.
    After,
}

/// Cuts as many commits as it is told to, and lets everything else pass.
pub(super) struct Wire {
    pub(super) port: u16,
    left: Arc<AtomicUsize>,
}

impl Wire {
    /// A wire to the server at this host and port.
    pub(super) async fn to(server: &str, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let left = Arc::<AtomicUsize>::default();
        let (server, cuts) = (server.to_owned(), Arc::clone(&left));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server");
                tokio::spawn(relay(client, server, cut, Arc::clone(&cuts)));
            }
        });
        Self { port, left }
    }

    /// Lets the next so many commits be cut.
    pub(super) fn cut(&self, commits: usize) {
        self.left.store(commits, SeqCst);
    }

    /// Commits that are still to be cut.
    pub(super) fn left(&self) -> usize {
        self.left.load(SeqCst)
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, cut: Cut, left: Arc<AtomicUsize>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut committing = false;
    loop {
        select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read.unwrap_or(0)];
                let commits = bytes.windows(COMMIT.len()).any(|word| word == COMMIT);
                let take = |left: usize| left.checked_sub(1);
                committing |= commits && left.fetch_update(SeqCst, SeqCst, take).is_ok();
                let never_heard_of = committing && cut == Cut::Before;
                if bytes.is_empty() || never_heard_of || server.write_all(bytes).await.is_err() {
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
