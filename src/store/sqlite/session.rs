//! A connection that is ready for work.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use diesel::{connection::Connection, prelude::QueryResult, sqlite::SqliteConnection};

use super::days::Mode;

/// A connection to a database whose schema is up to date.
pub(super) struct Session {
    pub(super) connection: SqliteConnection,
    pub(super) mode: Mode,
    pub(super) opened: Instant,
}

impl Session {
    /// Runs this in one transaction, so that all it sees is of one moment.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let mode = self.mode;
        self.connection
            .transaction(|connection| work(connection, mode))
    }
}

/// Locks although another thread panicked: what these locks guard is whole at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
