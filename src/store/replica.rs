//! A database that is written to, with a copy of it that is read and may lag behind.
//!
//! Which conversations there are, and whose, the primary alone says. What was removed there is never
//! read from the replica: each database has a [`Stamp`] that changes with every removal, and the
//! replica answers only where it has the primary's. Where it has another, or is away, the primary
//! answers.

#[cfg(all(test, any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Conversation, Deleted, ExchangeRows, Hit, NewConversation, Page, Partition, Place, Recall,
    Recalled, Recorded, Search, Stats, Store, StoreError, StoreFuture, StoredError, StoredMessage,
    UnixMillis, Whose,
};
use crate::id::Id;

/// How long a replica that could not answer is not asked again: each time may cost a timeout.
pub(super) const REST: Duration = Duration::from_secs(10);
/// Between two warnings.
const WARN_AGAIN: Duration = Duration::from_secs(600);

/// Of which database what is read is, and of which moment between two removals. It holds the
/// database's secret, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Stamp(String);

/// A store that can be told from a copy of it that lags behind.
pub(crate) trait Replicable: Store {
    /// Its stamp; `None` where this conversation is asked for and not there. Whatever removes
    /// messages changes the stamp in the transaction that ends the removal.
    fn stamp(&self, conversation: Option<Id>) -> StoreFuture<'_, Option<Stamp>>;

    /// The same store for one read, which fails where the stamp is another.
    fn with_stamp(&self, stamp: Stamp) -> Box<dyn Store>;
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
impl Stamp {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

/// That the stamp is another.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(super) fn behind() -> StoreError {
    let behind = "it lags behind a removal, or is no copy of the database that is written to";
    StoreError::Unavailable(behind.to_owned())
}

/// A database that is written to, and its copy.
#[derive(Debug)]
pub(super) struct Replicated {
    primary: Arc<dyn Replicable>,
    replica: Arc<dyn Replicable>,
    rest: Duration,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    last: Option<Instant>,
    warned: Option<Instant>,
}

impl Replicated {
    /// Reads from the replica, which after a failure rests for so long.
    pub(super) fn new(
        primary: Arc<dyn Replicable>,
        replica: Arc<dyn Replicable>,
        rest: Duration,
    ) -> Self {
        Self {
            primary,
            replica,
            rest,
            failures: Mutex::default(),
        }
    }

    /// The replica for one read, of this conversation where it is about one; `None` where the primary
    /// has to be asked.
    async fn replica(
        &self,
        conversation: Option<Id>,
    ) -> Result<Option<Box<dyn Store>>, StoreError> {
        let last = lock(&self.failures).last;
        if last.is_some_and(|at| at.elapsed() < self.rest) {
            return Ok(None);
        }
        let stamp = self.primary.stamp(conversation).await?;
        Ok(stamp.map(|stamp| self.replica.with_stamp(stamp)))
    }

    /// What the replica answered; `None` where the primary has to be asked.
    fn settle<T>(&self, asked: Option<Result<T, StoreError>>) -> Option<T> {
        let error = match asked? {
            Ok(answer) => return Some(answer),
            Err(error) => error,
        };
        let mut failures = lock(&self.failures);
        failures.last = Some(Instant::now());
        if failures.warned.is_none_or(|at| at.elapsed() > WARN_AGAIN) {
            failures.warned = failures.last;
            tracing::warn!(%error, "the replica could not answer: the primary is read meanwhile");
        }
        None
    }
}

/// Locks although another thread panicked: what this lock guards is whole at every moment.
fn lock(failures: &Mutex<Failures>) -> MutexGuard<'_, Failures> {
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

#[deny(
    clippy::missing_trait_methods,
    reason = "what is not handed on would be answered as by a store that cannot do it"
)]
impl Store for Replicated {
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.primary.prepare(now)
    }

    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        self.primary.write(batch)
    }

    fn record<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, Recorded> {
        self.primary.record(batch)
    }

    fn create_conversation<'a>(&'a self, new: &'a NewConversation) -> StoreFuture<'a, bool> {
        self.primary.create_conversation(new)
    }

    fn rename_conversation<'a>(&'a self, id: Id, title: &'a str) -> StoreFuture<'a, bool> {
        self.primary.rename_conversation(id, title)
    }

    fn delete_conversation(&self, id: Id, at: UnixMillis) -> StoreFuture<'_, Option<Deleted>> {
        self.primary.delete_conversation(id, at)
    }

    fn delete_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        whose: Whose,
        at: UnixMillis,
    ) -> StoreFuture<'a, Deleted> {
        self.primary.delete_user(tenant, user_identifier, whose, at)
    }

    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        self.primary.reject(exchange, reason)
    }

    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        self.primary.maintain(now)
    }

    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        self.primary.secret()
    }

    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        self.primary.recall(wanted)
    }

    fn conversations_named<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>> {
        self.primary.conversations_named(tenant, session_id)
    }

    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>> {
        self.primary.conversation(id)
    }

    fn conversations_of_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> StoreFuture<'a, Page<Conversation>> {
        Box::pin(async move {
            let asked = match self.replica(None).await? {
                Some(replica) => {
                    let page = replica.conversations_of_user(
                        tenant,
                        user_identifier,
                        after,
                        offset,
                        limit,
                    );
                    Some(page.await)
                }
                None => None,
            };
            match self.settle(asked) {
                Some(page) => Ok(page),
                None => {
                    self.primary
                        .conversations_of_user(tenant, user_identifier, after, offset, limit)
                        .await
                }
            }
        })
    }

    fn messages(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        Box::pin(async move {
            let asked = match self.replica(Some(conversation)).await? {
                Some(replica) => Some(replica.messages(conversation, before, limit).await),
                None => None,
            };
            match self.settle(asked) {
                Some(page) => Ok(page),
                None => self.primary.messages(conversation, before, limit).await,
            }
        })
    }

    fn conversation_with_messages(
        &self,
        id: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Option<(Conversation, Page<StoredMessage>)>> {
        Box::pin(async move {
            let Some(conversation) = self.primary.conversation(id).await? else {
                return Ok(None);
            };
            let messages = self.messages(id, before, limit).await?;
            Ok(Some((conversation, messages)))
        })
    }

    fn errors(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredError>> {
        Box::pin(async move {
            let asked = match self.replica(Some(conversation)).await? {
                Some(replica) => Some(replica.errors(conversation, before, limit).await),
                None => None,
            };
            match self.settle(asked) {
                Some(page) => Ok(page),
                None => self.primary.errors(conversation, before, limit).await,
            }
        })
    }

    fn stats<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> StoreFuture<'a, Stats> {
        Box::pin(async move {
            let asked = match self.replica(None).await? {
                Some(replica) => Some(replica.stats(tenant, user_identifier, from, to).await),
                None => None,
            };
            match self.settle(asked) {
                Some(stats) => Ok(stats),
                None => self.primary.stats(tenant, user_identifier, from, to).await,
            }
        })
    }

    fn search<'a>(&'a self, wanted: &'a Search) -> StoreFuture<'a, Vec<Hit>> {
        Box::pin(async move {
            let asked = match self.replica(None).await? {
                Some(replica) => Some(replica.search(wanted).await),
                None => None,
            };
            match self.settle(asked) {
                Some(hits) => Ok(hits),
                None => self.primary.search(wanted).await,
            }
        })
    }

    fn conversation_history_table_name(&self, at: UnixMillis) -> StoreFuture<'_, String> {
        self.primary.conversation_history_table_name(at)
    }

    fn create_table_if_not_exists(&self, at: UnixMillis) -> StoreFuture<'_, bool> {
        self.primary.create_table_if_not_exists(at)
    }

    fn existing_partition_tables<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<String>> {
        self.primary.existing_partition_tables(prefix)
    }

    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.primary.partitions()
    }

    fn estimated_partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        self.primary.estimated_partitions()
    }

    fn drop_partitions(&self, before: UnixMillis) -> StoreFuture<'_, Vec<Partition>> {
        self.primary.drop_partitions(before)
    }

    fn set_daily_partition(&self, daily: bool) -> StoreFuture<'_, ()> {
        self.primary.set_daily_partition(daily)
    }
}
