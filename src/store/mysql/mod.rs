//! MySQL and MariaDB: a table a day, batches of fixed lengths, a thread of its own.
//!
//! Every call is handed to the store's one thread and finished there, even when nobody waits for the
//! answer any more, so every future here may be dropped at any time.
//!
//! The database user needs, on its database and nothing beyond: `SELECT`, `INSERT`, `UPDATE`,
//! `DELETE`, `CREATE`, `ALTER`, `DROP`, `INDEX`, `CREATE VIEW` and `CREATE TEMPORARY TABLES`.

mod store;
mod driver;
mod connection;
mod reading;
mod session;
mod moment;
mod login;
mod tls;
mod lock;
mod migrate;
mod layout;
mod days;
mod views;
mod recall;
mod unanswered;
mod responses;
mod write;
mod reject;
mod insert;
mod statement;
mod datetime;
mod read;
mod latest;
mod replica;
mod list;
mod search;
mod pages;
mod newest;
mod counts;
mod decode;
mod stats;
mod partitions;
mod turn;
mod upkeep;
mod close;
mod chunks;
mod derive;
mod marks;
mod alone;
mod edit;
mod delete;
mod erase;
mod retention;
mod removal;
mod moving;
mod error;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use diesel_async::AsyncMysqlConnection;

use self::{
    alone::{Beside, Doing},
    connection::{Connections, Work},
    driver::Driver,
    layout::Mode,
    login::Login,
    session::Session,
};
use super::{DsnError, Server, StoreFuture, StoreOptions, deletion::Met, patience, replica::Stamp};

/// Conversations in a MySQL or MariaDB database.
#[derive(Clone)]
pub(crate) struct MysqlStore {
    server: Server,
    connections: Arc<Connections>,
    driver: Arc<Driver>,
    retention_days: Option<u32>,
    usage_retention_days: Option<u32>,
    /// Reads fail where the database's is another.
    stamp: Option<Stamp>,
    met: Arc<Met>,
}

impl MysqlStore {
    /// A store that connects when it is first used.
    ///
    /// # Errors
    /// Where the DSN asks for an encryption that is not understood.
    pub(crate) fn new(server: &Server, options: &StoreOptions) -> Result<Self, DsnError> {
        Ok(Self {
            connections: Arc::new(Connections::new(Login::new(server)?, options)),
            driver: Arc::default(),
            server: server.clone(),
            retention_days: options.retention_days,
            usage_retention_days: options.usage_retention_days,
            stamp: None,
            met: Arc::default(),
        })
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl for<'s> FnMut(&'s mut Session, Mode) -> Work<'s, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        let stamp = self.stamp.clone();
        Box::pin(self.driver.run(async move {
            let patience = connections.patience();
            let read = connections.read(stamp, work);
            patience::within(patience, read, || connections.close_idle_readers()).await
        }))
    }

    /// Does this in one transaction beside those of batches.
    fn surely<T: Send + 'static>(
        &self,
        work: impl for<'s> Fn(&'s mut AsyncMysqlConnection, Mode) -> Doing<'s, T>
        + Send
        + Sync
        + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(
            self.driver
                .run(async move { connections.surely(Beside::Batches, work).await }),
        )
    }

    fn change<T: Send + 'static>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session) -> Work<'s, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(
            self.driver
                .run(async move { connections.write(work).await }),
        )
    }
}

impl fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlStore")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
