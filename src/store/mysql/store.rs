//! What the [`Store`] is asked, handed to a connection.

use std::sync::Arc;

use super::{
    MysqlStore, close,
    delete::{self, Doomed},
    edit, erase,
    layout::Mode,
    list, migrate,
    pages::{self, User, Wanted},
    partitions, read, recall, search, stats, turn, upkeep, write,
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{
        Conversation, Deleted, ExchangeRows, Hit, NewConversation, Page, Partition, Place, Recall,
        Recalled, Recorded, Search, Stats, Store, StoreFuture, StoredError, StoredMessage,
        UnixMillis, Whose, deletion, pack::Batch,
    },
};

impl Store for MysqlStore {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let connections = Arc::clone(&self.connections);
        Box::pin(
            self.driver
                .run(async move { connections.make_days_ahead(now).await }),
        )
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.record(batch).await.map(drop) })
    }

    fn record<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, Recorded> {
        let send = |batch: Batch| {
            self.change(move |session| Box::pin(async move { write::write(session, &batch).await }))
        };
        Box::pin(deletion::record(&self.met, batch, send))
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let (exchange, reason) = (exchange.clone(), reason.to_owned());
        let connections = Arc::clone(&self.connections);
        Box::pin(
            self.driver
                .run(async move { connections.reject(exchange, reason).await }),
        )
    }

    fn create_conversation<'a>(&'a self, new: &'a NewConversation) -> StoreFuture<'a, bool> {
        let new = Arc::new(new.clone());
        self.surely(move |connection, _| {
            let new = Arc::clone(&new);
            Box::pin(async move { edit::create(connection, &new).await })
        })
    }

    fn rename_conversation<'a>(&'a self, id: Id, title: &'a str) -> StoreFuture<'a, bool> {
        let title: Arc<str> = title.into();
        self.surely(move |connection, _| {
            let title = Arc::clone(&title);
            Box::pin(async move { edit::rename(connection, id, &title).await })
        })
    }

    fn delete_conversation(&self, id: Id, at: UnixMillis) -> StoreFuture<'_, Option<Deleted>> {
        let connections = Arc::clone(&self.connections);
        let doomed = Doomed::new(&[id], at);
        Box::pin(self.driver.run(async move {
            let deleted = delete::conversations(&connections, &doomed).await?;
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
        let user = Arc::new(deletion::User::new(tenant, user_identifier, whose));
        Box::pin(
            self.driver
                .run(async move { erase::user(&connections, user, at).await }),
        )
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let connections = Arc::clone(&self.connections);
        let oldest = |days: Option<u32>| days.map(|days| Day::oldest_kept(now, days));
        let rows = oldest(self.retention_days);
        let usage = oldest(self.usage_retention_days);
        Box::pin(self.driver.run(async move {
            connections.make_days_ahead(now).await?;
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
            let (connection, uncounted) = (&mut session.connection, &session.uncounted);
            Box::pin(
                async move { list::named(connection, mode, uncounted, &tenant, &session_id).await },
            )
        })
    }

    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>> {
        self.read(move |session, mode| {
            let (connection, uncounted) = (&mut session.connection, &session.uncounted);
            Box::pin(list::conversation(connection, mode, uncounted, id))
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
            let (connection, uncounted) = (&mut session.connection, &session.uncounted);
            Box::pin(async move {
                let user = User {
                    tenant: &tenant,
                    name: &name,
                };
                pages::of_user(connection, mode, uncounted, user, wanted).await
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

    fn conversation_with_messages(
        &self,
        id: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Option<(Conversation, Page<StoredMessage>)>> {
        self.read(move |session, mode| {
            let (connection, uncounted) = (&mut session.connection, &session.uncounted);
            Box::pin(read::conversation_with_messages(
                connection, mode, uncounted, id, before, limit,
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
            let (connection, uncounted) = (&mut session.connection, &session.uncounted);
            Box::pin(async move {
                let user = User {
                    tenant: &tenant,
                    name: &name,
                };
                stats::stats(connection, mode, uncounted, user, from, to).await
            })
        })
    }

    fn search<'a>(&'a self, wanted: &'a Search) -> StoreFuture<'a, Vec<Hit>> {
        let wanted = Arc::new(wanted.clone());
        self.read(move |session, mode| {
            let wanted = Arc::clone(&wanted);
            let connection = &mut session.connection;
            Box::pin(async move { search::search(connection, mode, &wanted).await })
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

    fn estimated_partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.read(|session, mode| Box::pin(partitions::estimates(&mut session.connection, mode)))
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
            Ok(())
        }))
    }
}
