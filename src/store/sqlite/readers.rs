//! The connections that read: opened when first needed, never more than allowed.

use std::sync::{Condvar, Mutex, PoisonError};

use super::session::{Session, lock};
use crate::store::StoreOptions;

/// Reads are short and SQLite scans on the reader's thread; more would only take cores from the gateway.
const MAX_READERS: u32 = 4;

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
    prepared: bool,
}

impl Readers {
    /// The writer counts among the connections allowed, and stays open.
    pub(super) fn new(options: &StoreOptions, memory: bool) -> Self {
        let max_open = match options.max_open_conns {
            _ if memory => 0,
            0 => MAX_READERS,
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
            }),
            returned: Condvar::new(),
        }
    }

    /// Whether there may be any; else the writer reads too.
    pub(super) fn allowed(&self) -> bool {
        self.max_open > 0
    }

    /// Whether the writer has made a database of the file.
    pub(super) fn prepared(&self) -> bool {
        lock(&self.places).prepared
    }

    pub(super) fn set_prepared(&self) {
        lock(&self.places).prepared = true;
    }

    /// Waits for a place, with an idle connection where there is one.
    pub(super) fn lease(&self) -> Lease<'_> {
        let places = lock(&self.places);
        let mut places = self
            .returned
            .wait_while(places, |places| {
                places.idle.is_empty() && places.open >= self.max_open
            })
            .unwrap_or_else(PoisonError::into_inner);
        let session = places.idle.pop();
        if session.is_none() {
            places.open += 1;
        }
        Lease {
            readers: self,
            session,
        }
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
        self.readers.returned.notify_one();
    }
}
