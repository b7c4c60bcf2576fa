//! Who waits for a writer, and for what.

use std::{
    mem,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::Command;

/// How long the drop of the last handle leaves for draining.
const DROP_DEADLINE: Duration = Duration::from_secs(30);

/// The flushes and the shutdown that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    shutdown: Option<Shutdown>,
}

#[derive(Debug)]
struct Shutdown {
    /// What had been handed over when it was asked for; `None`: nobody asked, and all that comes
    /// yet is waited for.
    target: Option<u64>,
    deadline: Instant,
    answers: Vec<oneshot::Sender<()>>,
}

impl Promises {
    /// Promises what was asked, for everything up to the exchange with the number `target`.
    pub(crate) fn make(&mut self, command: Command, target: u64) {
        match command {
            Command::Flush(answer) => self.flushes.push((target, answer)),
            Command::Shutdown(deadline, answer) => {
                self.end_by(deadline, Some(target)).answers.push(answer);
            }
            // What is done at once is no promise.
            Command::Forget(_, answer) => drop(answer.send(())),
        }
    }

    /// The last handle is gone.
    pub(crate) fn make_last(&mut self) {
        self.end_by(Instant::now() + DROP_DEADLINE, None);
    }

    fn end_by(&mut self, deadline: Instant, target: Option<u64>) -> &mut Shutdown {
        let shutdown = self.shutdown.get_or_insert(Shutdown {
            target,
            deadline,
            answers: Vec::new(),
        });
        shutdown.deadline = shutdown.deadline.min(deadline);
        shutdown
    }

    /// Whether somebody waits for what is there to be written.
    pub(crate) fn is_any(&self) -> bool {
        self.shutdown.is_some() || !self.flushes.is_empty()
    }

    /// When the writer ends at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.shutdown.as_ref().map(|shutdown| shutdown.deadline)
    }

    /// Answers the flushes that are kept, now that everything up to this number is settled.
    pub(crate) fn answer_flushes(&mut self, settled: u64) {
        for (target, answer) in mem::take(&mut self.flushes) {
            if target <= settled {
                // Whoever asked may have gone away.
                let _ = answer.send(());
            } else if !answer.is_closed() {
                self.flushes.push((target, answer));
            }
        }
    }

    /// Whether the writer was told to end, and may.
    ///
    /// `is_quiet` says that everything is settled and nothing more can come.
    pub(crate) fn is_over(&self, settled: u64, is_quiet: bool) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| {
            let is_kept = shutdown.target.map_or(is_quiet, |target| target <= settled);
            is_kept || Instant::now() >= shutdown.deadline
        })
    }

    /// Tells everybody that the writer has ended.
    pub(crate) fn release(&mut self) {
        let Self { flushes, shutdown } = mem::take(self);
        let flushes = flushes.into_iter().map(|(_, answer)| answer);
        let shutdown = shutdown.into_iter().flat_map(|shutdown| shutdown.answers);
        for answer in flushes.chain(shutdown) {
            let _ = answer.send(());
        }
    }
}
