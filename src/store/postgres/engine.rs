//! The thread that drives every connection.
//!
//! A connection belongs to the runtime that polls its socket. Recorder threads have runtimes of
//! their own, and readers come from whichever the application has, so none of them is used.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time::{sleep, timeout},
};

/// How long connections have to tell the server goodbye, which otherwise logs that they are lost.
const GOODBYE: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

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
                runtime.block_on(async {
                    // An error: the sender is gone, which is what is waited for.
                    let _ = stopped.await;
                    let _ = timeout(GOODBYE, all_ended()).await;
                });
                runtime.shutdown_background();
            })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }
}

async fn all_ended() {
    while Handle::current().metrics().num_alive_tasks() > 0 {
        sleep(LOOK_AGAIN).await;
    }
}
