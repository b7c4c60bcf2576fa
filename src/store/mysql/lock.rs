//! Locks between processes. They go with the connection, so a crash leaves none behind.

use std::time::Duration;

use diesel::{
    sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    days::NumberRow,
    error::{Answer, Fault},
};

/// How long one process waits for another's migration or new tables.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What only one process does at a time. MySQL's locks belong to the server, so the name holds the database's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lock {
    /// Tables and views are made.
    Tables,
    /// Days are closed.
    Closing,
}

impl Lock {
    fn purpose(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Closing => "closing",
        }
    }

    /// Takes the lock, or says that another process holds it.
    pub(super) async fn try_take(
        self,
        connection: &mut AsyncMysqlConnection,
        patience: Duration,
    ) -> Answer<bool> {
        let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
        let row: NumberRow = sql_query(
            "SELECT CAST(GET_LOCK(CONCAT('recording.', ?, '.', LEFT(SHA2(DATABASE(), 256), 32)), ?) \
             AS SIGNED) AS value",
        )
        .bind::<Text, _>(self.purpose())
        .bind::<BigInt, _>(seconds)
        .get_result(connection)
        .await?;
        Ok(row.value == Some(1))
    }

    /// Takes the lock, waiting for it.
    pub(super) async fn take(self, connection: &mut AsyncMysqlConnection) -> Answer<()> {
        if self.try_take(connection, PATIENCE).await? {
            Ok(())
        } else {
            Err(Fault::Away(
                "another process is making tables for long".to_owned(),
            ))
        }
    }

    /// Gives the lock back.
    pub(super) async fn release(self, connection: &mut AsyncMysqlConnection) -> Answer<()> {
        sql_query(
            "SELECT CAST(RELEASE_LOCK(CONCAT('recording.', ?, '.', LEFT(SHA2(DATABASE(), 256), 32))) \
             AS SIGNED) AS value",
        )
        .bind::<Text, _>(self.purpose())
        .get_result::<NumberRow>(connection)
        .await?;
        Ok(())
    }
}
