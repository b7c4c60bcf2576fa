//! PostgreSQL: partitions of its own, arrays in, and any number of writers and readers.
//!
//! All connections live on one thread with a runtime of its own; whoever calls, from whichever
//! runtime, hands work over and waits for the answer. What is handed over is finished even when
//! nobody waits any more, so every future here may be dropped at any time.

mod address;
mod tls;
mod wire;
mod sqlstate;
mod engine;
mod session;
mod pool;
mod connections;
#[macro_use]
mod locks;
mod prepared;
mod mode;
mod migrate;
mod citus;
mod days;
mod estimates;
mod write;
mod insert;
mod reject;
mod recall;
mod read;
mod latest;
mod replica;
mod list;
mod pages;
mod newest;
mod search;
mod counts;
mod stats;
mod decode;
mod time;
mod derive;
mod close;
mod drop;
mod delete;
mod edit;
mod marks;
mod removal;
mod erase;
mod retention;
mod repartition;
mod error;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use diesel_async::AsyncPgConnection;

use self::{
    address::Address,
    connections::{Connections, Plans, Reading, WORK_TIMEOUT},
    engine::Engine,
    mode::Mode,
    pool::lock,
    reject::Rejected,
    removal::Doomed,
};
use super::{
    Conversation, Deleted, DsnError, ExchangeRows, Hit, NewConversation, Page, Partition, Place,
    Recall, Recalled, Recorded, Search, Server, Stats, Store, StoreError, StoreFuture,
    StoreOptions, StoredError, StoredMessage, UnixMillis, Whose,
    deletion::{self, Met},
    pack::Batch,
    patience,
    replica::Stamp,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
};

/// Conversations in a PostgreSQL database.
#[derive(Clone)]
pub(crate) struct PostgresStore {
    server: Server,
    connections: Arc<Connections>,
    engine: Arc<Mutex<Option<Engine>>>,
    /// Reads fail where the database's is another.
    stamp: Option<Stamp>,
    /// Whether Citus has spread the rows over nodes; asked for again after an error.
    are_spread: Arc<Mutex<Option<bool>>>,
    met: Arc<Met>,
}

impl PostgresStore {
    /// A store that connects when it is first used.
    ///
    /// # Errors
    /// Where a parameter of the DSN is no good.
    pub(crate) fn new(server: &Server, options: &StoreOptions) -> Result<Self, DsnError> {
        let address = Address::new(server)?;
        Ok(Self {
            server: server.clone(),
            connections: Arc::new(Connections::new(address, options)),
            engine: Arc::default(),
            stamp: None,
            are_spread: Arc::default(),
            met: Arc::default(),
        })
    }

    /// Does this on the thread that drives the connections.
    fn run<T, F>(&self, work: impl FnOnce(Arc<Connections>) -> F) -> StoreFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.connections));
        Box::pin(async move {
            let handle = {
                let mut engine = lock(&self.engine);
                let engine = match engine.take() {
                    Some(running) => engine.insert(running),
                    None => engine.insert(Engine::start().map_err(|error| {
                        StoreError::Unavailable(format!("no thread is to be had: {error}"))
                    })?),
                };
                engine.handle.clone()
            };
            match handle.spawn(work).await {
                Ok(result) => result,
                Err(error) if error.is_panic() => {
                    Err(StoreError::Refused("the store panicked".to_owned()))
                }
                Err(_) => Err(StoreError::Unavailable("the store is closed".to_owned())),
            }
        })
    }

    /// Does this where somebody waits for it.
    fn read<T: Send + 'static>(
        &self,
        plans: Plans,
        work: impl for<'a> FnMut(&'a AsyncPgConnection) -> Reading<'a, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let stamp = self.stamp.clone();
        self.run(move |connections| async move {
            let patience = connections.patience();
            let read = connections.read(plans, stamp, work);
            patience::within(patience, read, || connections.close_idle_readers()).await
        })
    }

    /// The same for what nobody waits for, and may take as long as a batch.
    fn look_up<T: Send + 'static>(
        &self,
        work: impl for<'a> FnMut(&'a AsyncPgConnection) -> Reading<'a, T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let stamp = self.stamp.clone();
        self.run(move |connections| async move {
            let read = connections.read(Plans::Any, stamp, work);
            patience::within(WORK_TIMEOUT, read, || connections.close_idle_readers()).await
        })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.run(move |connections| async move { connections.make_days_ahead(now).await })
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.record(batch).await.map(drop) })
    }

    fn record<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, Recorded> {
        let send = |batch: Batch| {
            self.run(move |connections| async move { connections.write(&batch).await })
        };
        Box::pin(deletion::record(&self.met, batch, send))
    }

    fn create_conversation<'a>(&'a self, new: &'a NewConversation) -> StoreFuture<'a, bool> {
        let new = new.clone();
        self.run(move |connections| async move { connections.create(&new).await })
    }

    fn rename_conversation<'a>(&'a self, id: Id, title: &'a str) -> StoreFuture<'a, bool> {
        let title = title.to_owned();
        self.run(move |connections| async move { connections.rename(id, &title).await })
    }

    fn delete_conversation(&self, id: Id, at: UnixMillis) -> StoreFuture<'_, Option<Deleted>> {
        let doomed = Doomed::new(&[id], at);
        self.run(move |connections| async move {
            let deleted = connections.delete(&doomed).await?;
            Ok((deleted.conversations > 0).then_some(deleted))
        })
    }

    fn delete_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        whose: Whose,
        at: UnixMillis,
    ) -> StoreFuture<'a, Deleted> {
        let user = Arc::new(deletion::User::new(tenant, user_identifier, whose));
        self.run(move |connections| async move { connections.erase(user, at).await })
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let rejected = Rejected::new(exchange, reason);
        self.run(move |connections| async move { connections.reject(&rejected).await })
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.run(move |connections| async move {
            connections.make_days_ahead(now).await?;
            // What is not to be dropped keeps nothing from being closed.
            let dropped = connections.drop_expired(now).await;
            connections.close_days(now).await?;
            dropped
        })
    }

    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        self.read(Plans::OfDays, |connection| {
            Box::pin(recall::secret(connection))
        })
    }

    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        let wanted = wanted.clone();
        let are_spread = Arc::clone(&self.are_spread);
        self.look_up(move |connection| {
            let (wanted, are_spread) = (wanted.clone(), Arc::clone(&are_spread));
            Box::pin(async move {
                let known = lock(&are_spread).take();
                let (recalled, are) = recall::recall(connection, &wanted, known).await?;
                lock(&are_spread).replace(are);
                Ok(recalled)
            })
        })
    }

    fn conversations_named<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>> {
        let names = (tenant.to_owned(), session_id.to_owned());
        self.read(Plans::Kept, move |connection| {
            let (tenant, session_id) = names.clone();
            Box::pin(async move { list::named(connection, &tenant, &session_id).await })
        })
    }

    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>> {
        self.read(Plans::Kept, move |connection| {
            Box::pin(list::conversation(connection, id))
        })
    }

    fn conversations_of_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> StoreFuture<'a, Page<Conversation>> {
        let whose = (tenant.to_owned(), user_identifier.to_owned());
        self.read(Plans::Kept, move |connection| {
            let (tenant, user) = whose.clone();
            Box::pin(async move {
                pages::of_user(connection, (&tenant, &user), after, offset, limit).await
            })
        })
    }

    fn messages(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        self.read(Plans::Kept, move |connection| {
            Box::pin(read::messages(connection, conversation, before, limit))
        })
    }

    fn conversation_with_messages(
        &self,
        id: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Option<(Conversation, Page<StoredMessage>)>> {
        self.read(Plans::Kept, move |connection| {
            Box::pin(read::conversation_with_messages(
                connection, id, before, limit,
            ))
        })
    }

    fn errors(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredError>> {
        self.read(Plans::Kept, move |connection| {
            Box::pin(read::errors(connection, conversation, before, limit))
        })
    }

    fn stats<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> StoreFuture<'a, Stats> {
        let whose = (tenant.to_owned(), user_identifier.to_owned());
        let days = (Day::from_unix_ms(from), Day::from_unix_ms(to));
        self.read(Plans::Kept, move |connection| {
            let (tenant, user) = whose.clone();
            Box::pin(async move { stats::stats(connection, (&tenant, &user), days).await })
        })
    }

    fn search<'a>(&'a self, wanted: &'a Search) -> StoreFuture<'a, Vec<Hit>> {
        let wanted = wanted.clone();
        self.read(Plans::OfDays, move |connection| {
            let wanted = wanted.clone();
            Box::pin(async move { search::search(connection, &wanted).await })
        })
    }

    fn conversation_history_table_name(&self, at: UnixMillis) -> StoreFuture<'_, String> {
        self.read(Plans::OfDays, move |connection| {
            Box::pin(async move {
                let mode = Mode::of(connection).await?;
                Ok(mode.table(MESSAGES, Day::from_unix_ms(at)))
            })
        })
    }

    fn create_table_if_not_exists(&self, at: UnixMillis) -> StoreFuture<'_, bool> {
        let day = Day::from_unix_ms(at);
        self.run(move |connections| async move { connections.make_days(&[day]).await })
    }

    fn existing_partition_tables<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<String>> {
        let known = [MESSAGES, ERRORS]
            .into_iter()
            .find(|known| *known == prefix);
        self.read(Plans::OfDays, move |connection| {
            Box::pin(async move {
                let Some(prefix) = known else {
                    return Ok(Vec::new());
                };
                let tables = days::tables(connection, prefix).await?;
                Ok(tables.into_iter().map(|(table, _)| table).collect())
            })
        })
    }

    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.look_up(|connection| Box::pin(days::partitions(connection)))
    }

    fn estimated_partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.read(Plans::OfDays, |connection| {
            Box::pin(estimates::partitions(connection))
        })
    }

    fn drop_partitions(&self, before: UnixMillis) -> StoreFuture<'_, Vec<Partition>> {
        let before = Day::from_unix_ms(before);
        self.run(move |connections| async move { connections.drop_days(before).await })
    }

    fn set_daily_partition(&self, daily: bool) -> StoreFuture<'_, ()> {
        let mode = Mode::new(daily);
        self.run(move |connections| async move { connections.repartition(mode).await })
    }
}
