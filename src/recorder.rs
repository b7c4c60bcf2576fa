//! The handle to what a layer records.

use std::{
    fmt,
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::redact::Redact;
use crate::{
    channel::Channel,
    metrics::Metrics,
    rules::Rules,
    store::Store,
    writer::{self, Command, Workshop},
};

/// A longer deadline is none.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(24 * 3600);
/// How long a shutdown waits for its writers to keep to the deadline by themselves.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

/// The handle to what a layer records: to flush, to shut down, to count and to read.
///
/// Cloning is cheap. Dropping the last handle (layers and services hold one each) without
/// [`shutdown`](Self::shutdown) lets the recorder's threads drain what they have for up to 30 s,
/// as long as the process lives, and says so once in the log.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    rules: Rules,
    channel: Arc<Channel>,
    store: Arc<dyn Store>,
    redact: Arc<dyn Redact>,
    writers: Vec<mpsc::Sender<Command>>,
    shut_down: AtomicBool,
}

/// What a shutdown came to, in exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Written since the recorder was built.
    pub written: u64,
    /// Not known to be written: dropped at the deadline, under way at it, or handed over after the
    /// shutdown.
    pub left: u64,
}

impl Recorder {
    pub(crate) fn start(
        rules: Rules,
        store: Arc<dyn Store>,
        writer_threads: usize,
        workshop: Workshop,
    ) -> io::Result<Self> {
        let channel = Arc::clone(&workshop.channel);
        let redact = Arc::clone(&workshop.redact);
        let writers = (0..writer_threads)
            .map(|number| writer::spawn(workshop.clone(), number))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            inner: Arc::new(Inner {
                rules,
                channel,
                store,
                redact,
                writers,
                shut_down: AtomicBool::new(false),
            }),
        })
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    pub(crate) fn redact(&self) -> &dyn Redact {
        &*self.inner.redact
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.inner.channel
    }

    /// Waits until every exchange that had ended before the call is in the database, or is
    /// otherwise accounted for in [`metrics`](Self::metrics). While the database is away, it waits.
    ///
    /// Works on any executor.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn flush(&self) {
        if self.metrics().pending() == 0 {
            return;
        }
        self.ask(Command::Flush).await;
    }

    /// Stops recording: writes what had been handed over before the call, at most until `deadline`
    /// has passed, and reports. Traffic goes on; what ends later is dropped, counted.
    ///
    /// A second call may bring the deadline forward. Works on any executor.
    ///
    /// # Cancel safety
    /// Once it was polled, dropping the future does not stop the shutdown.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.inner.shut_down.store(true, Relaxed);
        let deadline = deadline.min(LONGEST_SHUTDOWN);
        let at = Instant::now() + deadline;
        let mut asking = pin!(self.ask(|answer| Command::Shutdown(at, answer)));
        let mut alarm = alarm(deadline + SHUTDOWN_GRACE);
        poll_fn(|cx| match asking.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => Pin::new(&mut alarm).poll(cx).map(drop),
        })
        .await;
        let metrics = self.metrics();
        ShutdownReport {
            written: metrics.written,
            left: metrics.dropped_shutdown + metrics.unknown + metrics.pending(),
        }
    }

    pub(crate) async fn ask(&self, command: impl Fn(oneshot::Sender<()>) -> Command) {
        let mut answers = Vec::new();
        for writer in &self.inner.writers {
            let (answer, answered) = oneshot::channel();
            // A writer that is gone has settled all it had.
            if writer.send(command(answer)).await.is_ok() {
                answers.push(answered);
            }
        }
        for answered in answers {
            drop(answered.await);
        }
    }

    /// A snapshot of what is counted and measured.
    pub fn metrics(&self) -> Metrics {
        self.inner.channel.metrics()
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }
}

/// Answers after this time, from a thread of its own, which ends with the answer's receiver.
fn alarm(after: Duration) -> oneshot::Receiver<()> {
    let (mut ring, rung) = oneshot::channel();
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        runtime.block_on(async {
            select! {
                () = sleep(after) => {}
                () = ring.closed() => {}
            }
        });
        io::Result::Ok(())
    };
    // Without a thread the answer comes at once: a shutdown that does not end is worse.
    drop(
        thread::Builder::new()
            .name("recording-alarm".into())
            .spawn(wait),
    );
    rung
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("rules", &self.inner.rules)
            .field("store", &self.inner.store)
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The writers see their inbox close, drain, and end.
        drop(mem::take(&mut self.writers));
        if !*self.shut_down.get_mut() {
            tracing::warn!(
                "the recorder was dropped without shutdown(); it drains in the background"
            );
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exchanges written, {} left", self.written, self.left)
    }
}
