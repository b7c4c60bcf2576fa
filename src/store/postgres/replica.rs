//! What tells a database from a copy of it that lags behind.

use diesel::{prelude::QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{PostgresStore, connections::Plans, mode::TextRow, read::find};
use crate::{
    id::Id,
    store::{
        Store, StoreFuture,
        replica::{Replicable, Stamp},
    },
};

/// The stamp of this moment.
pub(super) async fn stamp(mut connection: &AsyncPgConnection) -> QueryResult<Stamp> {
    let row: TextRow = sql_query(
        "SELECT string_agg(key || ' ' || encode(value, 'hex'), ' ' ORDER BY key) AS value \
         FROM recording_meta WHERE key IN ('dropped', 'secret')",
    )
    .get_result(&mut connection)
    .await?;
    Ok(Stamp::new(row.value))
}

impl Replicable for PostgresStore {
    fn stamp(&self, conversation: Option<Id>) -> StoreFuture<'_, Option<Stamp>> {
        self.read(Plans::OfDays, move |connection| {
            Box::pin(async move {
                if let Some(id) = conversation
                    && find(connection, id).await?.is_none()
                {
                    return Ok(None);
                }
                stamp(connection).await.map(Some)
            })
        })
    }

    fn with_stamp(&self, stamp: Stamp) -> Box<dyn Store> {
        Box::new(Self {
            stamp: Some(stamp),
            ..self.clone()
        })
    }
}
