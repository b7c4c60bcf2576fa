//! Where conversations are kept: the [`Store`] trait and the databases behind it.

mod discard;
mod dsn;
mod error;
mod open;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod columns;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod pack;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod payload;
#[cfg(feature = "mysql")]
mod mysql;
mod rows;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
};

pub use dsn::{Dsn, DsnError, Host, Secret, Server};
pub use error::StoreError;
pub use rows::{
    Conversation, ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation,
    StoredError, StoredMessage, UnixMillis,
};

#[cfg(feature = "mysql")]
use dsn::warn_ignored;
pub(crate) use open::{StoreOptions, open};

use crate::id::Id;

/// What a [`Store`] answers, later.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Whether there are more.
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            has_more: false,
        }
    }
}

/// A table that holds rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// Its name, such as `conversation_histories_2025_01_15`.
    pub table: String,
    /// Its day, such as `2025-01-15`; `None` where one table holds all days.
    pub day: Option<String>,
    /// Its rows.
    pub rows: i64,
    /// Its size with its indexes; `None` where the database does not tell.
    pub bytes: Option<i64>,
}

/// A place that keeps conversations.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Connects, migrates and makes the tables of the days around `now`. Does nothing the second time.
    ///
    /// # Errors
    /// Transient where it is worth trying again; the recorder does, and requests flow meanwhile.
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()>;

    /// Writes these exchanges in one transaction. A row that already stands there is left as it is.
    ///
    /// # Errors
    /// Then nothing of the batch was written, or its fate is unknown: the same batch may be sent again.
    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()>;

    /// Keeps an exchange that cannot be written, with the reason, out of the way of the others.
    ///
    /// # Errors
    /// Where even this is not possible.
    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()>;

    /// Makes the tables of the days to come and closes the days that have ended an hour before `now`.
    ///
    /// # Errors
    /// Harmless: it is called again within the hour.
    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()>;

    /// The conversations of a tenant that bear this session id: one a user, oldest first, at most 100.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn conversations_named<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>>;

    /// The conversation with this id.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>>;

    /// A user's conversations, last active first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn conversations_of_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        limit: usize,
        offset: usize,
    ) -> StoreFuture<'a, Page<Conversation>>;

    /// The latest `limit` messages of a conversation, oldest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn messages(&self, conversation: Id, limit: usize) -> StoreFuture<'_, Page<StoredMessage>>;

    /// The latest `limit` failed exchanges of a conversation, oldest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn errors(&self, conversation: Id, limit: usize) -> StoreFuture<'_, Page<StoredError>>;

    /// The name of the table that holds the messages of this time: `conversation_histories` where
    /// a store of your own does not say otherwise.
    ///
    /// # Errors
    /// Where the database, which decides whether days have tables of their own, cannot be read.
    fn conversation_history_table_name(&self, _at: UnixMillis) -> StoreFuture<'_, String> {
        Box::pin(ready(Ok("conversation_histories".to_owned())))
    }

    /// The tables that hold rows, messages first, oldest day first. It counts all rows, so it is not quick.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        Box::pin(ready(Ok(Vec::new())))
    }
}
