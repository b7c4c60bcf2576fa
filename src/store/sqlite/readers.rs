//! The connections that read: opened when first needed, never more than allowed.

use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    file::{DatabaseFile, Found},
    session::{Session, lock},
};
use crate::store::StoreOptions;

/// Reads are short and SQLite scans on the reader's thread; more would only take cores from the gateway.
const MAX_READERS: u32 = 4;
/// What is written between the removal of the file and the next look is lost with it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The connections that read.
pub(super) struct Readers {
    max_open: u32,
    max_idle: usize,
    places: Mutex<Places>,
    returned: Condvar,
}

struct Places {
    idle: Vec<Session>,
    open: u32,
    /// Whether the writer has made a database of the file.
    prepared: bool,
    /// The file that it has open.
    file: Found,
    looked: Instant,
}

impl Readers {
    /// Where there is a writer, it counts among the connections allowed, and stays open.
    pub(super) fn new(options: &StoreOptions, memory: bool) -> Self {
        let max_open = match options.max_open_conns {
            _ if memory => 0,
            0 => MAX_READERS,
            limit if options.read_only => limit.min(MAX_READERS),
            limit => (limit - 1).min(MAX_READERS),
        };
        let max_idle = options.max_idle_conns.saturating_sub(1).min(max_open);
        Self {
            max_open,
            max_idle: max_idle as usize,
            places: Mutex::new(Places {
                idle: Vec::new(),
                open: 0,
                prepared: false,
                file: Found::default(),
                looked: Instant::now(),
            }),
            returned: Condvar::new(),
        }
    }

    /// How many there may be; if none, the writer reads too.
    pub(super) fn most(&self) -> usize {
        self.max_open as usize
    }

    /// Whether the writer has made a database of the file that stands there, as far as is known.
    /// Whoever is `opening` it needs to know, others look once in a while.
    pub(super) fn prepared(&self, file: &DatabaseFile, opening: bool) -> bool {
        let mut places = lock(&self.places);
        if places.prepared && (opening || places.looked.elapsed() >= LOOK_EVERY) {
            places.looked = Instant::now();
            if file.is_another(&places.file) {
                places.prepared = false;
                tracing::warn!("the database's file was removed or replaced: it is opened anew");
            }
        }
        places.prepared
    }

    /// Says which file the writer has made a database of.
    pub(super) fn set_prepared(&self, file: Found) {
        let mut places = lock(&self.places);
        places.prepared = true;
        places.file = file;
        places.looked = Instant::now();
    }

    /// Closes every connection, when it is not in use any more, and gives the file that they had
    /// open. Connections to two files of one path would share the journals' names.
    pub(super) fn close(&self) -> Found {
        let mut places = self.wait_while(|places| places.open as usize > places.idle.len());
        places.idle.clear();
        places.open = 0;
        mem::take(&mut places.file)
    }

    /// Waits for a place, with an idle connection where there is one.
    pub(super) fn lease(&self) -> Lease<'_> {
        let mut places =
            self.wait_while(|places| places.idle.is_empty() && places.open >= self.max_open);
        let session = places.idle.pop();
        if session.is_none() {
            places.open += 1;
        }
        Lease {
            readers: self,
            session,
        }
    }

    fn wait_while(&self, condition: impl FnMut(&mut Places) -> bool) -> MutexGuard<'_, Places> {
        let places = lock(&self.places);
        let waited = self.returned.wait_while(places, condition);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the readers. Dropped without [`give_back`](Self::give_back), it is free for another connection.
pub(super) struct Lease<'a> {
    readers: &'a Readers,
    session: Option<Session>,
}

impl Lease<'_> {
    /// The idle connection that came with the place.
    pub(super) fn take(&mut self) -> Option<Session> {
        self.session.take()
    }

    /// Keeps the connection for the next reader.
    pub(super) fn give_back(mut self, session: Session) {
        self.session = Some(session);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut places = lock(&self.readers.places);
        match self.session.take() {
            Some(session) if places.idle.len() < self.readers.max_idle => places.idle.push(session),
            _ => places.open -= 1,
        }
        drop(places);
        self.readers.returned.notify_all();
    }
}
