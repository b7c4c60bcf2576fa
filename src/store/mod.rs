//! Where conversations are kept: the [`Store`] trait and the databases behind it.

mod deleted;
mod discard;
mod dsn;
mod error;
mod json;
mod open;
mod page;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod columns;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod deletion;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod founding;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod memory;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod pack;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod patience;
mod recall;
mod replica;
mod rows;
mod search;
mod stats;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(all(test, any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
pub(crate) mod tests;

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
};

pub use deleted::{Deleted, Recorded, Whose};
pub use dsn::{Dsn, DsnError, Host, Secret, Server};
pub use error::StoreError;
pub(crate) use page::MAX_PAGE_BYTES;
pub use page::{Page, ParsePlaceError, Place};
#[cfg(any(feature = "sqlite", feature = "mysql"))]
use recall::NEAR_ROWS;
#[cfg(any(test, feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) use recall::Near;
pub use recall::{ChainHash, Head, KnownMessage, KnownResponse, Recall, Recalled, Unanswered};
pub use rows::{
    Conversation, ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation,
    Retold, StoredError, StoredMessage, UnixMillis,
};
pub use search::{Hit, Search};
pub use stats::{Partition, Stats};

#[cfg(feature = "mysql")]
use dsn::warn_ignored;
pub(crate) use open::{OpenError, StoreOptions, open};

use crate::id::Id;

/// What a [`Store`] answers, later.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place that keeps conversations.
///
/// A sink of your own has to [`write`](Self::write). The rest has defaults: there is nothing to
/// prepare or to maintain, what is refused cannot be kept, and reading is
/// [`Unsupported`](StoreError::Unsupported).
///
/// # Examples
/// A store that appends an exchange a line, as JSON, to a file. It runs on a thread of the
/// recorder's own, so it may block; a batch is acknowledged when the file has it.
/// ```
/// use std::{fs::File, io::Write, sync::{Arc, Mutex}};
///
/// use tower_recording::{
///     RecordingLayer,
///     store::{ExchangeRows, Store, StoreError, StoreFuture},
/// };
///
/// #[derive(Debug)]
/// struct JsonLines(Mutex<File>);
///
/// impl Store for JsonLines {
///     fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
///         Box::pin(async move {
///             let lines: String = batch.iter().map(|rows| rows.to_json() + "\n").collect();
///             let mut file = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
///             let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
///             // Tried again until it succeeds: a line may then stand twice, with the same ids.
///             written.map_err(|error| StoreError::Unavailable(error.to_string()))
///         })
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("conversations.jsonl");
/// let file = File::options().create(true).append(true).open(path)?;
/// let layer = RecordingLayer::with_store(Arc::new(JsonLines(Mutex::new(file)))).build()?;
/// # Ok(())
/// # }
/// ```
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Connects, migrates and makes the tables of the days around `now`. Does nothing the second time.
    ///
    /// # Errors
    /// Transient where it is worth trying again; the recorder does, and requests flow meanwhile.
    fn prepare(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let _ = now;
        Box::pin(ready(Ok(())))
    }

    /// Writes these exchanges in one transaction. A row that already stands there is left as it is.
    ///
    /// # Errors
    /// Then nothing of the batch was written, or its fate is unknown: the same batch may be sent again.
    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()>;

    /// Writes these exchanges, but for what was deleted meanwhile, and says what that was.
    ///
    /// Of an exchange that began before its conversation was deleted nothing is written; of one that
    /// began later, what follows the last answer of the model in what the client sent. A store that
    /// deletes nothing [`write`](Self::write)s all of them. The stores of this crate keep to it in
    /// `write` too.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    fn record<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, Recorded> {
        Box::pin(async move { self.write(batch).await.map(|()| Recorded::default()) })
    }

    /// Keeps an exchange that cannot be written, with the reason, out of the way of the others.
    ///
    /// # Errors
    /// Where even this is not possible.
    fn reject<'a>(&'a self, exchange: &'a ExchangeRows, reason: &'a str) -> StoreFuture<'a, ()> {
        let _ = (exchange, reason);
        unsupported("keeping what is refused")
    }

    /// Makes the tables of the days to come, closes the days that have ended an hour before `now`,
    /// and drops those that retention no longer keeps.
    ///
    /// # Errors
    /// Harmless: it is called again within the hour.
    fn maintain(&self, now: UnixMillis) -> StoreFuture<'_, ()> {
        let _ = now;
        Box::pin(ready(Ok(())))
    }

    /// The key of the hashes by which messages are found again; the same in every process that
    /// writes to the same place.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn secret(&self) -> StoreFuture<'_, [u8; 32]> {
        Box::pin(ready(Ok([0; 32])))
    }

    /// What is stored already of what the next batch continues. A store that does not remember
    /// keeps every conversation as if it were new.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        let _ = wanted;
        Box::pin(ready(Ok(Recalled::default())))
    }

    /// The conversations of a tenant that bear this session id: one a user, oldest first, at most 100.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn conversations_named<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
    ) -> StoreFuture<'a, Vec<Conversation>> {
        let _ = (tenant, session_id);
        unsupported("reading")
    }

    /// The conversation with this id.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn conversation(&self, id: Id) -> StoreFuture<'_, Option<Conversation>> {
        let _ = id;
        unsupported("reading")
    }

    /// A user's conversations, last active first: those behind the place `after`, less the first
    /// `offset` of them. A page costs the same wherever it lies, an offset what is passed over.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn conversations_of_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> StoreFuture<'a, Page<Conversation>> {
        let _ = (tenant, user_identifier, after, offset, limit);
        unsupported("reading")
    }

    /// The latest `limit` messages of a conversation, of every branch, oldest first: of those
    /// before the one with the id `before`, or of all. A page may end early, with `has_more`, so
    /// that it can be held: at 16 MiB of text in the stores of this crate, but never without a message.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn messages(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        let _ = (conversation, before, limit);
        unsupported("reading")
    }

    /// The conversation with this id and a page of its [`messages`](Self::messages), both of one moment
    /// in the stores of this crate, which ask for them together.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn conversation_with_messages(
        &self,
        id: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Option<(Conversation, Page<StoredMessage>)>> {
        Box::pin(async move {
            let Some(conversation) = self.conversation(id).await? else {
                return Ok(None);
            };
            let messages = self.messages(id, before, limit).await?;
            Ok(Some((conversation, messages)))
        })
    }

    /// The latest `limit` failed exchanges of a conversation, oldest first: of those before the one
    /// with the id `before`, or of all. A page may end early, as one of [`messages`](Self::messages).
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn errors(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredError>> {
        let _ = (conversation, before, limit);
        unsupported("reading")
    }

    /// What a user said and spent from the day of `from` to the day of `to`, both included.
    ///
    /// Days that are closed are read from `usage_daily`, the others from their rows.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn stats<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> StoreFuture<'a, Stats> {
        let _ = (tenant, user_identifier, from, to);
        unsupported("reading")
    }

    /// The newest messages of one day that hold a text, newest first. No index leads to them: it
    /// reads the day's texts, or those of one user.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn search<'a>(&'a self, wanted: &'a Search) -> StoreFuture<'a, Vec<Hit>> {
        let _ = wanted;
        unsupported("searching")
    }

    /// Makes a conversation that has no messages yet, and says whether it was new.
    ///
    /// # Errors
    /// Where the database cannot be written to.
    fn create_conversation<'a>(&'a self, new: &'a NewConversation) -> StoreFuture<'a, bool> {
        let _ = new;
        unsupported("making conversations")
    }

    /// Gives the conversation this title, and says whether it is there.
    ///
    /// # Errors
    /// Where the database cannot be written to.
    fn rename_conversation<'a>(&'a self, id: Id, title: &'a str) -> StoreFuture<'a, bool> {
        let _ = (id, title);
        unsupported("renaming")
    }

    /// Deletes the conversation with all its rows; `None` where it is not there.
    ///
    /// What began up to the time `at` and is stored later is left out, in whichever process; what
    /// begins later makes the conversation anew. More rows than fit a short transaction go before it,
    /// part by part.
    ///
    /// # Errors
    /// Where the database cannot be written to. Of a large conversation a part may be gone then.
    fn delete_conversation(&self, id: Id, at: UnixMillis) -> StoreFuture<'_, Option<Deleted>> {
        let _ = (id, at);
        unsupported("deleting")
    }

    /// Deletes the conversations of a user, all that bears the user's name, and what was counted of
    /// him, the same way. Says how much that was.
    ///
    /// # Errors
    /// Where the database cannot be written to. A part may be gone then; the next call does the rest.
    fn delete_user<'a>(
        &'a self,
        tenant: &'a str,
        user_identifier: &'a str,
        whose: Whose,
        at: UnixMillis,
    ) -> StoreFuture<'a, Deleted> {
        let _ = (tenant, user_identifier, whose, at);
        unsupported("deleting")
    }

    /// The name of the table that holds the messages of this time: `conversation_histories` where
    /// a store of your own does not say otherwise. MES: `getConversationHistoryTableName`.
    ///
    /// # Errors
    /// Where the database, which decides whether days have tables of their own, cannot be read.
    fn conversation_history_table_name(&self, at: UnixMillis) -> StoreFuture<'_, String> {
        let _ = at;
        Box::pin(ready(Ok("conversation_histories".to_owned())))
    }

    /// Makes the tables of the day of `at` where they are missing, and says whether they were.
    /// MES: `createTableIfNotExists`.
    ///
    /// # Errors
    /// Where the database cannot be written to.
    fn create_table_if_not_exists(&self, at: UnixMillis) -> StoreFuture<'_, bool> {
        let _ = at;
        unsupported("making tables")
    }

    /// The names of the tables that hold rows of this kind (`conversation_histories` or
    /// `error_conversation_histories`), oldest day first. Any other prefix has none.
    /// MES: `getExistingPartitionTables`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn existing_partition_tables<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<String>> {
        let _ = prefix;
        unsupported("listing tables")
    }

    /// The tables that hold rows, with rows and bytes, messages first, oldest day first. It counts
    /// all rows, so it is not quick.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        unsupported("listing tables")
    }

    /// The same tables, as the database itself keeps count of them: quick however many rows there are,
    /// and near enough to see what grows. What it does not know quickly is 0 rows or no bytes.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn estimated_partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
        unsupported("estimating tables")
    }

    /// Drops the days before that of `before`, with the conversations that then have nothing left,
    /// and says what was dropped. `usage_daily` stays. Where days have no tables of their own, their
    /// rows are deleted, some thousand at a time.
    ///
    /// # Errors
    /// Where the database cannot be written to. Days that were dropped before the error stay so.
    fn drop_partitions(&self, before: UnixMillis) -> StoreFuture<'_, Vec<Partition>> {
        let _ = before;
        unsupported("dropping tables")
    }

    /// Changes whether days have tables of their own, and moves every row where it then belongs.
    ///
    /// Writers of this and other processes wait meanwhile and follow. A database with many rows
    /// takes its time: it copies all of them.
    ///
    /// # Errors
    /// Then everything is as it was.
    fn set_daily_partition(&self, daily: bool) -> StoreFuture<'_, ()> {
        let _ = daily;
        unsupported("moving rows between tables")
    }
}

/// What a store does not do.
fn unsupported<T: Send + 'static>(what: &'static str) -> StoreFuture<'static, T> {
    Box::pin(ready(Err(StoreError::Unsupported(what))))
}
