//! SQLite: one file, one writer, readers that never wait for it.
//!
//! diesel's connection blocks, so it is only ever touched inside `spawn_blocking`, a whole batch at
//! a time: a hop a statement would cost three times as much. What is sent there is finished even
//! when nobody waits for the answer any more, so every future here may be dropped at any time.

mod connection;
mod readers;
mod session;
mod migrate;
mod days;
mod write;
mod insert;
mod read;
mod list;
mod decode;
mod close;
mod error;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use diesel::prelude::QueryResult;
use diesel::sqlite::SqliteConnection;
use tokio::task::spawn_blocking;

pub(crate) use connection::Location;

use self::{
    connection::{Connections, Writer},
    days::Mode,
    write::RejectedExchange,
};
use super::{
    Conversation, ExchangeRows, Page, Partition, Place, Store, StoreError, StoreFuture,
    StoreOptions, StoredError, StoredMessage, UnixMillis, pack::Batch, unsupported,
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
};

/// Conversations in an SQLite database.
pub(crate) struct SqliteStore {
    location: Location,
    connections: Arc<Connections>,
}

impl SqliteStore {
    /// A store that connects when it is first used.
    pub(crate) fn new(location: Location, options: &StoreOptions) -> Self {
        Self {
            connections: Arc::new(Connections::new(location.clone(), options)),
            location,
        }
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(blocking(move || connections.read(work)))
    }

    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> QueryResult<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(blocking(move || connections.write(work)))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(StoreError::Refused("the store panicked".to_owned())),
        Err(_) => Err(StoreError::Unavailable(
            "the runtime is shutting down".to_owned(),
        )),
    }
}

fn make_days_ahead(writer: &mut Writer, now: UnixMillis) -> QueryResult<()> {
    let session = &mut writer.session;
    let mode = session.mode;
    let days: Vec<Day> = Day::ahead(now).collect();
    session
        .connection
        .immediate_transaction(|connection| days::make(connection, mode, &days))
        .map(drop)
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.change(move |writer| make_days_ahead(writer, now))
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let batch = Batch::new(batch);
        self.change(move |writer| write::write(&mut writer.session, &mut writer.memory, &batch))
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let rejected = RejectedExchange::new(exchange, reason);
        self.change(move |writer| write::reject(&mut writer.session, &rejected))
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let connections = Arc::clone(&self.connections);
        Box::pin(blocking(move || {
            connections.write(|writer| make_days_ahead(writer, now))?;
            // The writer is free between two days, so that batches go on meanwhile.
            for day in connections.read(|connection, _| close::due(connection, now))? {
                connections.write(|writer| {
                    let session = &mut writer.session;
                    close::close(&mut session.connection, session.mode, day, now)
                })?;
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
        self.read(move |connection, mode| list::named(connection, mode, &tenant, &session_id))
    }

    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>> {
        self.read(move |connection, mode| list::conversation(connection, mode, id))
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
            list::of_user(connection, mode, &tenant, &user, limit, offset)
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
        self.read(move |connection, mode| read::messages(connection, mode, conversation, limit))
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
        self.read(move |connection, mode| read::errors(connection, mode, conversation, limit))
    }

    fn conversation_history_table_name(&self, at: UnixMillis) -> StoreFuture<'_, String> {
        self.read(move |_, mode| Ok(mode.table(MESSAGES, Day::from_unix_ms(at))))
    }

    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.read(days::partitions)
    }
}
