//! Whose turn it is to do what only one process does at a time, and how the others follow.

use std::time::Duration;

use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection};

use super::{
    connection::Connections,
    days,
    error::{Answer, Fault, asked},
    layout::{Layout, Unfinished},
    lock::{Lock, PATIENCE},
    moving,
};
use crate::{
    partition::Day,
    store::{StoreError, UnixMillis},
};

/// For what is tried again within the hour.
pub(super) const NOT_NOW: Duration = Duration::ZERO;
/// How long somebody who asked for it waits for another's closing or dropping.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(600);

/// Takes the turn, unless another process has it. What one left behind that was ended is tidied up first.
pub(super) async fn try_take(
    connection: &mut AsyncMysqlConnection,
    patience: Duration,
) -> Answer<bool> {
    if !Lock::Upkeep.try_take(connection, patience).await? {
        return Ok(false);
    }
    let tidied = moving::tidy(connection).await;
    match asked(connection, tidied).await {
        Ok(()) => Ok(true),
        Err(fault) => match Layout::read(connection).await {
            Ok(layout) if layout.unfinished == Some(Unfinished::Dropping) => {
                let error = fault.into_store_error();
                tracing::warn!(%error, "tables that nobody reads any more could not be dropped yet");
                Ok(true)
            }
            _ => end(connection, Err(fault)).await,
        },
    }
}

/// Takes the turn, waiting for whoever has it.
pub(super) async fn take(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    if try_take(connection, LONG_PATIENCE).await? {
        Ok(())
    } else {
        Err(Lock::Upkeep.is_held())
    }
}

/// Ends the turn, with what came of it.
pub(super) async fn end<T>(connection: &mut AsyncMysqlConnection, result: Answer<T>) -> Answer<T> {
    let result = asked(connection, result).await;
    if result.is_ok() || connection.batch_execute("ROLLBACK").await.is_ok() {
        // Where this fails the connection is gone, and the lock with it.
        let _ = Lock::Upkeep.release(connection).await;
    }
    result
}

/// Waits for whoever is moving rows, and tidies up after him where he was ended.
pub(super) async fn follow(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    let patience = match Layout::read(connection).await?.unfinished {
        None => return Ok(()),
        Some(Unfinished::Copying) => PATIENCE,
        Some(Unfinished::Dropping) => NOT_NOW,
    };
    if try_take(connection, patience).await? {
        return end(connection, Ok(())).await;
    }
    match Layout::read(connection).await?.unfinished {
        Some(Unfinished::Copying) => Err(Fault::Moving),
        _ => Ok(()),
    }
}

/// Makes the missing tables of these days once nobody moves rows, and says whether any was missing.
pub(super) async fn make(connection: &mut AsyncMysqlConnection, days: &[Day]) -> Answer<bool> {
    loop {
        follow(connection).await?;
        match days::make(connection, days).await {
            Err(Fault::Moving) => {}
            made => return made,
        }
    }
}

impl Connections {
    /// Makes the tables of today and of the days to come.
    pub(super) async fn make_days_ahead(&self, now: UnixMillis) -> Result<(), StoreError> {
        let days: Vec<Day> = Day::ahead(now).collect();
        self.write(move |session| {
            Box::pin(async move { make(&mut session.connection, &days).await.map(|_| ()) })
        })
        .await
    }
}
