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

/// How long one process waits for another's migration, new tables or moving of rows.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What only one process does at a time. MySQL's locks belong to the server, so the name holds the database's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lock {
    /// Tables and views are made or dropped.
    Tables,
    /// Days are closed or dropped, or rows are moved. Whoever needs both takes this one first.
    Upkeep,
}

impl Lock {
    fn purpose(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Upkeep => "upkeep",
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
    pub(super) async fn take(
        self,
        connection: &mut AsyncMysqlConnection,
        patience: Duration,
    ) -> Answer<()> {
        if self.try_take(connection, patience).await? {
            Ok(())
        } else {
            Err(self.is_held())
        }
    }

    /// That another process holds it.
    pub(super) fn is_held(self) -> Fault {
        Fault::Away(
            match self {
                Self::Tables => "another process is making or dropping tables for long",
                Self::Upkeep => "another process is closing, dropping or moving days for long",
            }
            .to_owned(),
        )
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
