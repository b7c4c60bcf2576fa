//! The [`Store`]: what it is asked goes to its own thread, and there to a connection.

use std::{fmt, sync::Arc};

use super::{
    close,
    connection::{Connections, Work},
    driver::Driver,
    layout::Mode,
    list,
    login::Login,
    migrate,
    pages::{self, User, Wanted},
    partitions, read, recall,
    session::Session,
    stats, turn, upkeep,
    write::{self, RejectedExchange},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{
        Conversation, DsnError, ExchangeRows, Page, Partition, Place, Recall, Recalled, Server,
        Stats, Store, StoreError, StoreFuture, StoreOptions, StoredError, StoredMessage,
        UnixMillis, pack::Batch, patience, replica::Stamp,
    },
};

/// Conversations in a MySQL or MariaDB database.
#[derive(Clone)]
pub(crate) struct MysqlStore {
    server: Server,
    connections: Arc<Connections>,
    driver: Arc<Driver>,
    retention_days: Option<u32>,
    usage_retention_days: Option<u32>,
    /// Reads fail where the database's is another.
    pub(super) stamp: Option<Stamp>,
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
        })
    }

    pub(super) fn read<T: Send + 'static>(
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

    pub(super) fn change<T: Send + 'static>(
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

async fn make_days_ahead(connections: &Connections, now: UnixMillis) -> Result<(), StoreError> {
    let days: Vec<Day> = Day::ahead(now).collect();
    connections
        .write(move |session| {
            Box::pin(async move { turn::make(&mut session.connection, &days).await.map(|_| ()) })
        })
        .await
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
        let connections = Arc::clone(&self.connections);
        Box::pin(
            self.driver
                .run(async move { make_days_ahead(&connections, now).await }),
        )
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let batch = Batch::new(batch);
        self.change(move |session| Box::pin(async move { write::write(session, &batch).await }))
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let rejected = RejectedExchange::new(exchange, reason);
        self.change(move |session| Box::pin(async move { write::reject(session, &rejected).await }))
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let connections = Arc::clone(&self.connections);
        let oldest = |days: Option<u32>| days.map(|days| Day::oldest_kept(now, days));
        let rows = oldest(self.retention_days);
        let usage = oldest(self.usage_retention_days);
        Box::pin(self.driver.run(async move {
            make_days_ahead(&connections, now).await?;
            let due = connections
                .read(None, move |session, _| {
                    Box::pin(close::due(&mut session.connection, now))
                })
                .await?;
            for day in due {
                connections
                    .keep(move |session| Box::pin(upkeep::close(&mut session.connection, day, now)))
                    .await?;
            }
            connections
                .keep(move |session| Box::pin(upkeep::retain(&mut session.connection, rows, usage)))
                .await
        }))
    }

    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        self.read(|session, _| Box::pin(migrate::secret(&mut session.connection)))
    }

    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        let wanted = Arc::new(wanted.clone());
        let connections = Arc::clone(&self.connections);
        Box::pin(self.driver.run(async move {
            connections
                .look_up(move |session, mode| {
                    let wanted = Arc::clone(&wanted);
                    Box::pin(async move { recall::recall(session, mode, &wanted).await })
                })
                .await
        }))
    }

    fn conversations_named<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>> {
        let (tenant, session_id) = (tenant.to_owned(), session_id.to_owned());
        self.read(move |session, mode| {
            let (tenant, session_id) = (tenant.clone(), session_id.clone());
            let connection = &mut session.connection;
            Box::pin(async move { list::named(connection, mode, &tenant, &session_id).await })
        })
    }

    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>> {
        self.read(move |session, mode| {
            Box::pin(list::conversation(&mut session.connection, mode, id))
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
        let (tenant, name) = (tenant.to_owned(), user_identifier.to_owned());
        let wanted = Wanted {
            after,
            offset,
            limit,
        };
        self.read(move |session, mode| {
            let (tenant, name) = (tenant.clone(), name.clone());
            let connection = &mut session.connection;
            Box::pin(async move {
                let user = User {
                    tenant: &tenant,
                    name: &name,
                };
                pages::of_user(connection, mode, user, wanted).await
            })
        })
    }

    fn messages(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        self.read(move |session, mode| {
            let connection = &mut session.connection;
            Box::pin(read::messages(
                connection,
                mode,
                conversation,
                before,
                limit,
            ))
        })
    }

    fn errors(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredError>> {
        self.read(move |session, mode| {
            let connection = &mut session.connection;
            Box::pin(read::errors(connection, mode, conversation, before, limit))
        })
    }

    fn stats<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> StoreFuture<'a, Stats> {
        let (tenant, name) = (tenant.to_owned(), user_identifier.to_owned());
        let (from, to) = (Day::from_unix_ms(from), Day::from_unix_ms(to));
        self.read(move |session, mode| {
            let (tenant, name) = (tenant.clone(), name.clone());
            let connection = &mut session.connection;
            Box::pin(async move {
                let user = User {
                    tenant: &tenant,
                    name: &name,
                };
                stats::stats(connection, mode, user, from, to).await
            })
        })
    }

    fn conversation_history_table_name(&self, at: UnixMillis) -> StoreFuture<'_, String> {
        self.read(move |_, mode| {
            Box::pin(async move { Ok(mode.table(MESSAGES, Day::from_unix_ms(at))) })
        })
    }

    fn create_table_if_not_exists(&self, at: UnixMillis) -> StoreFuture<'_, bool> {
        self.change(move |session| {
            let connection = &mut session.connection;
            Box::pin(async move { turn::make(connection, &[Day::from_unix_ms(at)]).await })
        })
    }

    fn existing_partition_tables<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<String>> {
        let prefix = prefix.to_owned();
        self.read(move |session, mode| {
            let prefix = prefix.clone();
            let connection = &mut session.connection;
            Box::pin(async move { partitions::names(connection, mode, &prefix).await })
        })
    }

    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        let connections = Arc::clone(&self.connections);
        Box::pin(self.driver.run(async move {
            connections
                .read(None, |session, mode| {
                    Box::pin(partitions::partitions(&mut session.connection, mode))
                })
                .await
        }))
    }

    fn drop_partitions(&self, before: UnixMillis) -> StoreFuture<'_, Vec<Partition>> {
        let connections = Arc::clone(&self.connections);
        let before = Day::from_unix_ms(before);
        Box::pin(self.driver.run(async move {
            connections
                .keep(move |session| {
                    Box::pin(upkeep::drop_partitions(&mut session.connection, before))
                })
                .await
        }))
    }

    fn set_daily_partition(&self, daily: bool) -> StoreFuture<'_, ()> {
        let connections = Arc::clone(&self.connections);
        let mode = if daily { Mode::Daily } else { Mode::Single };
        Box::pin(self.driver.run(async move {
            connections
                .keep(move |session| Box::pin(upkeep::set_mode(&mut session.connection, mode)))
                .await?;
            connections.forget_layout().await;
            Ok(())
        }))
    }
}
