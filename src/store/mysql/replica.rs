//! What tells a database from a copy of it that lags behind.

use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    MysqlStore,
    days::TextRow,
    error::{Answer, Fault},
    list::find,
    statement::Statement,
};
use crate::{
    id::Id,
    store::{
        Store, StoreFuture,
        replica::{Replicable, Stamp},
    },
};

/// The stamp of this moment.
async fn stamp(connection: &mut AsyncMysqlConnection) -> Answer<Stamp> {
    let stamp = Statement {
        sql: "SELECT CAST(GROUP_CONCAT(CONCAT(`key`, ' ', HEX(value)) ORDER BY `key` \
              SEPARATOR ' ') AS CHAR) AS value FROM recording_meta \
              WHERE `key` IN ('removals', 'secret')",
        values: &[],
    };
    let row: TextRow = stamp.get_result(connection).await?;
    Ok(Stamp::new(row.value))
}

/// Fails where the stamp is another than the wanted one.
pub(super) async fn check(
    connection: &mut AsyncMysqlConnection,
    wanted: Option<&Stamp>,
) -> Answer<()> {
    match wanted {
        Some(wanted) if stamp(connection).await? != *wanted => Err(Fault::Behind),
        _ => Ok(()),
    }
}

impl Replicable for MysqlStore {
    fn stamp(&self, conversation: Option<Id>) -> StoreFuture<'_, Option<Stamp>> {
        self.read(move |session, _| {
            let connection = &mut session.connection;
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
        let mut store = self.clone();
        store.stamp = Some(stamp);
        Box::new(store)
    }
}
