//! A connection that is ready for work.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use diesel::{connection::Connection, prelude::QueryResult, sqlite::SqliteConnection};

use super::{days::Mode, meta};

/// A connection to a database whose schema is up to date.
pub(super) struct Session {
    pub(super) connection: SqliteConnection,
    pub(super) opened: Instant,
}

impl Session {
    /// Runs this in one transaction, so that all it sees is of one moment.
    pub(super) fn reading<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T>,
    ) -> QueryResult<T> {
        self.connection.transaction(|connection| {
            let mode = meta::mode(connection)?;
            work(connection, mode)
        })
    }

    /// Runs this in one transaction that nobody else writes during.
    pub(super) fn writing<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T>,
    ) -> QueryResult<T> {
        self.connection.immediate_transaction(|connection| {
            let mode = meta::mode(connection)?;
            work(connection, mode)
        })
    }
}

/// Locks although another thread panicked: what these locks guard is whole at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
