//! What tells a database from a copy of it that lags behind.

use diesel::{prelude::*, sql_query, sqlite::SqliteConnection};

use super::{SqliteStore, days::TextRow, read::find};
use crate::{
    id::Id,
    store::{
        Store, StoreFuture,
        replica::{Replicable, Stamp},
    },
};

/// The stamp of this moment.
pub(super) fn stamp(connection: &mut SqliteConnection) -> QueryResult<Stamp> {
    let row: TextRow = sql_query(
        "SELECT group_concat(key || ' ' || hex(value), ' ') AS value FROM (SELECT key, value \
         FROM recording_meta WHERE key IN ('epoch', 'secret') ORDER BY key)",
    )
    .get_result(connection)?;
    Ok(Stamp::new(row.value))
}

impl Replicable for SqliteStore {
    fn stamp(&self, conversation: Option<Id>) -> StoreFuture<'_, Option<Stamp>> {
        self.read(move |connection, _| {
            if let Some(id) = conversation
                && find(connection, id)?.is_none()
            {
                return Ok(None);
            }
            stamp(connection).map(Some)
        })
    }

    fn with_stamp(&self, stamp: Stamp) -> Box<dyn Store> {
        Box::new(Self {
            stamp: Some(stamp),
            ..self.clone()
        })
    }
}
