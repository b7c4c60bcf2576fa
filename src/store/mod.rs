//! Where conversations are kept: the [`Store`] trait and the databases behind it.

mod deleted;
mod discard;
mod dsn;
mod error;
mod interface;
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

pub use deleted::{Deleted, Recorded, Whose};
pub use dsn::{Dsn, DsnError, Host, Secret, Server};
pub use error::StoreError;
pub use interface::{Store, StoreFuture};
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
