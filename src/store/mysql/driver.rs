//! The thread that drives every connection of a store.
//!
//! A connection belongs to the runtime it was made in, and a store is called from several: the
//! recorder's threads have one each, readers come from the application's. So the store has its own.

use std::{
    io,
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinError,
};

use crate::store::StoreError;

/// Runs what a store is asked, to its end even where nobody waits for the answer any more.
#[derive(Debug, Default)]
pub(super) struct Driver {
    running: Mutex<Option<Running>>,
}

/// The thread ends when this is dropped.
#[derive(Debug)]
struct Running {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Driver {
    /// Runs the work on the store's thread and waits for it on the caller's runtime.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let task = match self.handle() {
            Ok(handle) => handle.spawn(work),
            Err(error) => {
                let text = format!("no thread could be started: {}", error.kind());
                return Err(StoreError::Unavailable(text));
            }
        };
        task.await.unwrap_or_else(|error| Err(ended(&error)))
    }

    fn handle(&self) -> io::Result<Handle> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { handle, .. }) = running.as_ref() {
            return Ok(handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("recording-mysql".to_owned())
            .spawn(move || {
                // Its sender is dropped, never used.
                let _ = runtime.block_on(stopped);
            })?;
        *running = Some(Running {
            handle: handle.clone(),
            _stop: stop,
        });
        Ok(handle)
    }
}

fn ended(error: &JoinError) -> StoreError {
    if error.is_panic() {
        StoreError::Refused("the store panicked".to_owned())
    } else {
        StoreError::Unavailable("the store is being dropped".to_owned())
    }
}
