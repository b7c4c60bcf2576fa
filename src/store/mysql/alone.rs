//! Transactions beside those of batches, or instead of them.

use std::pin::Pin;

use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection};

use super::{
    connection::{Connections, Work},
    error::{Answer, DEADLOCK, Fault, asked},
    layout::{Layout, Mode, Unfinished},
    session::Session,
    turn,
};
use crate::store::StoreError;

/// A lock was waited for in vain.
const LOCK_TIMEOUT: u16 = 1205;
/// How often what met others is begun again.
const ATTEMPTS: usize = 5;

/// Who may write meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Batches,
    Nobody,
}

/// What is done in a transaction.
pub(super) type Doing<'s, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 's>>;

impl Connections {
    /// Does this in one transaction, and again where others are in the way.
    pub(super) async fn surely<T: Send + 'static>(
        &self,
        beside: Beside,
        work: impl for<'s> Fn(&'s mut AsyncMysqlConnection, Mode) -> Doing<'s, T>
        + Send
        + Sync
        + 'static,
    ) -> Result<T, StoreError> {
        self.write(move |session| -> Work<'_, T> { Box::pin(surely(session, beside, work)) })
            .await
    }
}

async fn surely<T>(
    session: &mut Session,
    beside: Beside,
    work: impl for<'s> Fn(&'s mut AsyncMysqlConnection, Mode) -> Doing<'s, T>,
) -> Answer<T> {
    let connection = &mut session.connection;
    let mut attempts = 1;
    loop {
        let done = once(connection, beside, &work).await;
        let fault = match asked(connection, done).await {
            Ok(done) => return Ok(done),
            Err(fault) => fault,
        };
        let is_in_the_way = fault.is(DEADLOCK) || fault.is(LOCK_TIMEOUT);
        let is_moving = matches!(fault, Fault::Moving);
        if attempts == ATTEMPTS || !(is_in_the_way || is_moving) {
            return Err(fault);
        }
        connection.batch_execute("ROLLBACK").await?;
        if is_moving {
            turn::follow(connection).await?;
        }
        attempts += 1;
    }
}

async fn once<T>(
    connection: &mut AsyncMysqlConnection,
    beside: Beside,
    work: &impl for<'s> Fn(&'s mut AsyncMysqlConnection, Mode) -> Doing<'s, T>,
) -> Answer<T> {
    connection.batch_execute("START TRANSACTION").await?;
    if beside == Beside::Nobody {
        Layout::lock(connection).await?;
    }
    let layout = Layout::share(connection).await?;
    if layout.unfinished == Some(Unfinished::Copying) {
        return Err(Fault::Moving);
    }
    let done = work(connection, layout.mode).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(done)
}
