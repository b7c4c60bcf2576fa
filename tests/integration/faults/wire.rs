//! A wire between the recorder and its server that breaks while a transaction is being committed.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::timeout,
};

/// How both protocols write it.
const COMMIT: &[u8] = b"COMMIT";
const READ_ONLY: &[u8] = b"READ ONLY";
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// When the wire breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The server never hears of the commit.
    Before,
    /// The server has committed, and its answer is lost.
    After,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// The next commit breaks it.
    Weak,
    /// One does.
    Breaking,
    Broken,
}

/// A wire to a server, and all connections over it.
pub(super) struct Wire {
    pub(super) port: u16,
    state: Arc<watch::Sender<State>>,
}

impl Wire {
    /// A wire to the server at this host and port.
    pub(super) async fn to(server: String, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(watch::Sender::new(State::Whole));
        let wire = Self {
            port,
            state: Arc::clone(&state),
        };
        tokio::spawn(async move {
            let mut mended = state.subscribe();
            while is(&mut mended, |state| state != State::Broken).await
                && let Ok((client, _)) = listener.accept().await
            {
                let server = TcpStream::connect(&server).await.expect("the server");
                tokio::spawn(relay(client, server, cut, Arc::clone(&state)));
            }
        });
        wire
    }

    /// Lets the next commit break it, and all connections with the one that commits. Waits for that.
    pub(super) async fn cut(&self) {
        self.state.send_replace(State::Weak);
        let mut broken = self.state.subscribe();
        let breaks = timeout(
            LONGEST_WAIT,
            is(&mut broken, |state| state == State::Broken),
        );
        assert!(breaks.await.expect("a commit in time"));
    }

    pub(super) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    cut: Cut,
    state: Arc<watch::Sender<State>>,
) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut broken = state.subscribe();
    // What only reads commits too, and nothing is lost with it.
    let (mut reads, mut commits) = (false, false);
    loop {
        select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read.unwrap_or(0)];
                reads |= bytes.windows(READ_ONLY.len()).any(|word| word == READ_ONLY);
                let ends = commits_in(bytes);
                commits |= ends
                    && !reads
                    && became(&state, State::Weak, State::Breaking);
                reads &= !ends;
                if commits && cut == Cut::Before {
                    break;
                }
                if bytes.is_empty() || server.write_all(bytes).await.is_err() {
                    break;
                }
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read.unwrap_or(0)];
                if bytes.is_empty() || commits || client.write_all(bytes).await.is_err() {
                    break;
                }
            }
            _ = is(&mut broken, |state| state == State::Broken) => return,
        }
    }
    if commits {
        state.send_replace(State::Broken);
    }
}

/// Waits for the wire to be so.
async fn is(wire: &mut watch::Receiver<State>, fact: impl Fn(State) -> bool) -> bool {
    wire.wait_for(|state| fact(*state)).await.is_ok()
}

/// Whether the wire was in the one state; then it is in the other.
fn became(wire: &watch::Sender<State>, from: State, to: State) -> bool {
    wire.send_if_modified(|state| {
        let is_from = *state == from;
        if is_from {
            *state = to;
        }
        is_from
    })
}

/// Whether a transaction is committed in these bytes: `READ COMMITTED` commits nothing.
fn commits_in(bytes: &[u8]) -> bool {
    let mut words = bytes.windows(COMMIT.len()).enumerate();
    words.any(|(at, word)| word == COMMIT && bytes.get(at + COMMIT.len()) != Some(&b'T'))
}
