//! The thread that drives every connection.
//!
//! A connection belongs to the runtime that polls its socket. Recorder threads have runtimes of
//! their own, and readers come from whichever the application has, so none of them is used.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A runtime on a thread of its own, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) handle: Handle,
    /// Dropping it is the signal.
    _stop: oneshot::Sender<()>,
}

impl Engine {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the operating system gives no thread or no poller.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("recording-postgres".to_owned())
            .spawn(move || {
                // An error: the sender is gone, which is what is waited for.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }
}
