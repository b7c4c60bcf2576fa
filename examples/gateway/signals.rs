//! What tells the gateway to stop, or to read its keys again.

use std::{error::Error, io, path::PathBuf};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
};
use tower_recording::api::StaticKeys;

/// SIGTERM and Ctrl-C, each of them as often as it comes.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    /// A signal that comes after this was dropped is told by the next call.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Reads the keys again at each SIGHUP, for as long as the gateway runs. What cannot be used changes nothing.
pub(crate) fn reload_on_hangup(keys: StaticKeys, path: PathBuf) -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let (keys, path) = (keys.clone(), path.clone());
            match spawn_blocking(move || keys.reload(path)).await {
                Ok(Ok(keys)) => tracing::info!(keys, "the keys were read again"),
                Ok(Err(error)) => {
                    let error: &dyn Error = &error;
                    tracing::error!(error, "the keys stay as they were");
                }
                Err(error) => tracing::error!(%error, "the keys stay as they were"),
            }
        }
    });
    Ok(())
}
