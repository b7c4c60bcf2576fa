//! SQLite: one file, one writer, readers that never wait for it.
//!
//! diesel's connection blocks, so it is only ever touched inside `spawn_blocking`, a whole batch at
//! a time: a hop a statement would cost three times as much. What waits for its turn does so before
//! that; what is sent there is finished even when nobody waits for the answer any more. So every
//! future here may be dropped at any time.

mod turns;
mod connection;
mod readers;
mod session;
mod file;
mod migrate;
mod meta;
mod days;
mod tables;
mod views;
mod recall;
mod unanswered;
mod responses;
mod write;
mod insert;
mod statement;
mod read;
mod replica;
mod list;
mod pages;
mod newest;
mod counts;
mod search;
mod stats;
mod decode;
mod close;
mod edit;
mod marks;
mod delete;
mod erase;
mod retention;
mod sweep;
mod switch;
mod error;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use diesel::prelude::QueryResult;
use diesel::sqlite::SqliteConnection;

pub(crate) use connection::Location;

use self::{
    connection::{Connections, Writer},
    days::Mode,
    pages::Owner,
    retention::Retention,
    turns::Turns,
};
use super::{
    Conversation, Deleted, ExchangeRows, Hit, NewConversation, Page, Partition, Place, Recall,
    Recalled, Recorded, Search, Stats, Store, StoreError, StoreFuture, StoreOptions, StoredError,
    StoredMessage, UnixMillis, Whose,
    deletion::{self, Met},
    replica::{Stamp, behind},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
};

/// Conversations in an SQLite database.
#[derive(Clone)]
pub(crate) struct SqliteStore {
    location: Location,
    retention: Retention,
    connections: Arc<Connections>,
    turns: Turns,
    /// Reads fail where the database's is another.
    stamp: Option<Stamp>,
    met: Arc<Met>,
}

impl SqliteStore {
    /// A store that connects when it is first used.
    pub(crate) fn new(location: Location, options: &StoreOptions) -> Self {
        let connections = Connections::new(location.clone(), options);
        Self {
            turns: Turns::new(connections.readers()),
            connections: Arc::new(connections),
            retention: Retention::new(options),
            location,
            stamp: None,
            met: Arc::default(),
        }
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        let stamp = self.stamp.clone();
        Box::pin(self.turns.readers.run(move || {
            let read = connections.read(move |connection, mode| match stamp {
                Some(stamp) if replica::stamp(connection)? != stamp => Ok(None),
                _ => work(connection, mode).map(Some),
            })?;
            read.ok_or_else(behind)
        }))
    }

    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(self.turns.writer.run(move || connections.change(work)))
    }

    fn write_with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> QueryResult<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connections = Arc::clone(&self.connections);
        Box::pin(self.turns.writer.run(move || connections.write(work)))
    }
}

fn make_days_ahead(
    connection: &mut SqliteConnection,
    mode: Mode,
    now: UnixMillis,
) -> QueryResult<()> {
    let days: Vec<Day> = Day::ahead(now).collect();
    days::make(connection, mode, &days).map(drop)
}

/// The writer is free between two days, so that batches go on meanwhile.
fn close_due(connections: &Connections, now: UnixMillis) -> Result<(), StoreError> {
    for day in connections.read(|connection, _| close::due(connection, now))? {
        connections.change(|connection, mode| close::close(connection, mode, day, now))?;
    }
    Ok(())
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
        self.change(move |connection, mode| make_days_ahead(connection, mode, now))
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.record(batch).await.map(drop) })
    }

    fn record<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, Recorded> {
        let send = |batch| self.write_with(move |writer| write::write(writer, &batch));
        Box::pin(deletion::record(&self.met, batch, send))
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let (exchange, reason) = (exchange.clone(), reason.to_owned());
        self.change(move |connection, _| write::reject(connection, &exchange, &reason))
    }

    fn create_conversation<'a>(&'a self, new: &'a NewConversation) -> StoreFuture<'a, bool> {
        let new = new.clone();
        self.change(move |connection, _| edit::create(connection, &new))
    }

    fn rename_conversation<'a>(&'a self, id: Id, title: &'a str) -> StoreFuture<'a, bool> {
        let title = title.to_owned();
        self.change(move |connection, _| edit::rename(connection, id, &title))
    }

    fn delete_conversation(&self, id: Id, at: UnixMillis) -> StoreFuture<'_, Option<Deleted>> {
        let connections = Arc::clone(&self.connections);
        Box::pin(self.turns.chores.run(move || {
            let deleted = delete::conversations(&connections, &[id], at, None)?;
            Ok((deleted.conversations > 0).then_some(deleted))
        }))
    }

    fn delete_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        whose: Whose,
        at: UnixMillis,
    ) -> StoreFuture<'a, Deleted> {
        let connections = Arc::clone(&self.connections);
        let user = deletion::User::new(tenant, user_identifier, whose);
        Box::pin(
            self.turns
                .chores
                .run(move || erase::user(&connections, &user, at)),
        )
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let connections = Arc::clone(&self.connections);
        let retention = self.retention;
        Box::pin(self.turns.chores.run(move || {
            connections.change(|connection, mode| make_days_ahead(connection, mode, now))?;
            let closed = close_due(&connections, now);
            let applied = retention.apply(&connections, now);
            connections.empty_journal();
            applied.and(closed)
        }))
    }

    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        self.read(|connection, _| meta::secret(connection))
    }

    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        let wanted = wanted.clone();
        self.read(move |connection, mode| recall::recall(connection, mode, &wanted))
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
        let (tenant, user) = (tenant.to_owned(), user_identifier.to_owned());
        self.read(move |connection, mode| {
            let owner = Owner {
                tenant: &tenant,
                user: &user,
            };
            pages::of_user(connection, mode, owner, after, offset, limit)
        })
    }

    fn messages(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        self.read(move |connection, mode| {
            read::messages(connection, mode, conversation, before, limit)
        })
    }

    fn conversation_with_messages(
        &self,
        id: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Option<(Conversation, Page<StoredMessage>)>> {
        self.read(move |connection, mode| {
            read::conversation_with_messages(connection, mode, id, before, limit)
        })
    }

    fn errors(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredError>> {
        self.read(move |connection, mode| {
            read::errors(connection, mode, conversation, before, limit)
        })
    }

    fn stats<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> StoreFuture<'a, Stats> {
        let (tenant, user) = (tenant.to_owned(), user_identifier.to_owned());
        let (first, last) = (Day::from_unix_ms(from), Day::from_unix_ms(to));
        self.read(move |connection, mode| {
            let owner = Owner {
                tenant: &tenant,
                user: &user,
            };
            stats::stats(connection, mode, owner, first, last)
        })
    }

    fn search<'a>(&'a self, wanted: &'a Search) -> StoreFuture<'a, Vec<Hit>> {
        let wanted = wanted.clone();
        self.read(move |connection, mode| search::search(connection, mode, &wanted))
    }

    fn conversation_history_table_name(&self, at: UnixMillis) -> StoreFuture<'_, String> {
        self.read(move |_, mode| Ok(mode.table(MESSAGES, Day::from_unix_ms(at))))
    }

    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.read(tables::partitions)
    }

    fn estimated_partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.read(tables::estimates)
    }

    fn create_table_if_not_exists(&self, at: UnixMillis) -> StoreFuture<'_, bool> {
        let day = Day::from_unix_ms(at);
        self.change(move |connection, mode| days::make(connection, mode, &[day]))
    }

    fn existing_partition_tables<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<String>> {
        let prefix = prefix.to_owned();
        self.read(move |connection, mode| tables::names(connection, mode, &prefix))
    }

    fn drop_partitions(&self, before: UnixMillis) -> StoreFuture<'_, Vec<Partition>> {
        let connections = Arc::clone(&self.connections);
        let oldest = Day::from_unix_ms(before);
        Box::pin(
            self.turns
                .chores
                .run(move || retention::drop_before(&connections, oldest, true)),
        )
    }

    fn set_daily_partition(&self, daily: bool) -> StoreFuture<'_, ()> {
        let wanted = Mode::of(daily);
        self.change(move |connection, mode| switch::switch(connection, mode, wanted))
    }
}
