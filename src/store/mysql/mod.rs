//! MySQL and MariaDB: a table a day, batches of fixed lengths, a thread of its own.
//!
//! Every call is handed to the store's one thread and finished there, even when nobody waits for the
//! answer any more, so every future here may be dropped at any time.
//!
//! The database user needs, on its database and nothing beyond: `SELECT`, `INSERT`, `UPDATE`,
//! `DELETE`, `CREATE`, `ALTER`, `DROP`, `INDEX`, `CREATE VIEW` and `CREATE TEMPORARY TABLES`.

mod driver;
mod connection;
mod session;
mod login;
mod tls;
mod lock;
mod migrate;
mod days;
mod views;
mod write;
mod insert;
mod statement;
mod datetime;
mod read;
mod list;
mod decode;
mod close;
mod chunks;
mod error;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use diesel_async::AsyncMysqlConnection;

use self::{
    connection::{Connections, Work},
    days::Mode,
    driver::Driver,
    error::Answer,
    login::Login,
    session::Session,
    write::RejectedExchange,
};
use super::{
    Conversation, DsnError, ExchangeRows, Page, Partition, Place, Server, Store, StoreFuture,
    StoreOptions, StoredError, StoredMessage, UnixMillis, pack::Batch, unsupported,
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
};

/// Conversations in a MySQL or MariaDB database.
pub(crate) struct MysqlStore {
    server: Server,
    connections: Arc<Connections>,
    driver: Driver,
}

impl MysqlStore {
    /// A store that connects when it is first used.
    ///
    /// # Errors
    /// Where the DSN asks for an encryption that is not understood.
    pub(crate) fn new(server: &Server, options: &StoreOptions) -> Result<Self, DsnError> {
        Ok(Self {
            connections: Arc::new(Connections::new(Login::new(server)?, options)),
            driver: Driver::default(),
            server: server.clone(),
        })
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl for<'s> FnMut(&'s mut AsyncMysqlConnection, Mode) -> Work<'s, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(self.driver.run(async move { connections.read(work).await }))
    }

    fn change<T: Send + 'static>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session, Mode) -> Work<'s, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(
            self.driver
                .run(async move { connections.write(work).await }),
        )
    }
}

async fn make_days_ahead(session: &mut Session, mode: Mode, now: UnixMillis) -> Answer<()> {
    let days: Vec<Day> = match mode {
        Mode::Daily => Day::ahead(now).collect(),
        Mode::Single => vec![Day::from_unix_ms(now)],
    };
    days::make(&mut session.connection, mode, &days).await?;
    Ok(())
}

impl fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlStore")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Store for MysqlStore {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.change(move |session, mode| Box::pin(make_days_ahead(session, mode, now)))
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let batch = Batch::new(batch);
        self.change(move |session, mode| {
            Box::pin(async move { write::write(session, mode, &batch).await })
        })
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let rejected = RejectedExchange::new(exchange, reason);
        self.change(move |session, _| {
            Box::pin(async move { write::reject(session, &rejected).await })
        })
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let connections = Arc::clone(&self.connections);
        Box::pin(self.driver.run(async move {
            connections
                .write(move |session, mode| Box::pin(make_days_ahead(session, mode, now)))
                .await?;
            let due = connections
                .read(move |connection, _| Box::pin(close::due(connection, now)))
                .await?;
            for day in due {
                connections
                    .close(move |session, mode| {
                        Box::pin(close::close(&mut session.connection, mode, day, now))
                    })
                    .await?;
            }
            Ok(())
        }))
    }

    fn conversations_named<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>> {
        let (tenant, session_id) = (tenant.to_owned(), session_id.to_owned());
        self.read(move |connection, mode| {
            let (tenant, session_id) = (tenant.clone(), session_id.clone());
            Box::pin(async move { list::named(connection, mode, &tenant, &session_id).await })
        })
    }

    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>> {
        self.read(move |connection, mode| Box::pin(list::conversation(connection, mode, id)))
    }

    fn conversations_of_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> StoreFuture<'a, Page<Conversation>> {
        if after.is_some() {
            return unsupported("cursors");
        }
        let (tenant, user) = (tenant.to_owned(), user_identifier.to_owned());
        self.read(move |connection, mode| {
            let (tenant, user) = (tenant.clone(), user.clone());
            Box::pin(
                async move { list::of_user(connection, mode, &tenant, &user, limit, offset).await },
            )
        })
    }

    fn messages(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        if before.is_some() {
            return unsupported("cursors");
        }
        self.read(move |connection, mode| {
            Box::pin(read::messages(connection, mode, conversation, limit))
        })
    }

    fn errors(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredError>> {
        if before.is_some() {
            return unsupported("cursors");
        }
        self.read(move |connection, mode| {
            Box::pin(read::errors(connection, mode, conversation, limit))
        })
    }

    fn conversation_history_table_name(&self, at: UnixMillis) -> StoreFuture<'_, String> {
        self.read(move |_, mode| {
            Box::pin(async move { Ok(mode.table(MESSAGES, Day::from_unix_ms(at))) })
        })
    }

    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.read(|connection, mode| Box::pin(days::partitions(connection, mode)))
    }
}
