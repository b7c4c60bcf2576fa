//! The recorder's own threads: take exchanges off a ring, decode them, make rows, write batches.

mod worker;
mod promises;
mod refusals;
mod hear;
mod threading;
mod rows;
mod other;
mod batch;
mod weight;
mod job;

use std::{collections::HashSet, io, sync::Arc, thread, time::Instant};

use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

pub(crate) use rows::title_of;
pub(crate) use worker::Worker;

use crate::{
    channel::Channel, decode::Decode, id::Id, identity::IdentityRules, redact::Redact,
    settings::WriterSettings, store::Store,
};

/// What a handle asks of a writer.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer when what is in the ring now is settled.
    Flush(oneshot::Sender<()>),
    /// The same, then end; what is left at the deadline is dropped, counted.
    Shutdown(Instant, oneshot::Sender<()>),
    /// Forget these conversations, which were deleted, and answer.
    Forget(Arc<HashSet<Id>>, oneshot::Sender<()>),
}

/// Flushes that may wait for a writer's attention; a further one waits to ask.
const COMMANDS: usize = 64;

/// What all writers of a recorder share.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    pub(crate) channel: Arc<Channel>,
    /// `None`: exchanges are thrown away undecoded.
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) identity: IdentityRules,
    pub(crate) redact: Arc<dyn Redact>,
    /// Dialects of the application's own.
    pub(crate) own: Vec<Arc<dyn Decode>>,
    pub(crate) settings: WriterSettings,
}

/// Starts the writer of the ring with this number, on a thread and a runtime of its own.
///
/// # Errors
/// Where the operating system gives no thread or no timer.
pub(crate) fn spawn(workshop: Workshop, number: usize) -> io::Result<mpsc::Sender<Command>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("recording-store")
        .build()?;
    let runtime = Background(Some(runtime));
    let (commands, inbox) = mpsc::channel(COMMANDS);
    thread::Builder::new()
        .name(format!("recording-{number}"))
        .spawn(move || {
            if let Some(runtime) = &runtime.0 {
                runtime.block_on(Worker::new(workshop, number, inbox).run());
            }
        })?;
    Ok(commands)
}

/// A runtime whose drop waits for nothing: a write that hangs past the deadline must not hold the
/// process, and where there is no thread for it, it is dropped within another runtime.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
