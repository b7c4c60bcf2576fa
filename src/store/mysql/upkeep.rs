//! What one process does at a time, for all: closing days, dropping them, moving rows.

use diesel_async::AsyncMysqlConnection;

use super::{
    close,
    error::Answer,
    layout::{Layout, Mode},
    moving, retention, turn,
};
use crate::{
    partition::Day,
    store::{Partition, UnixMillis},
};

/// Closes a day, unless another process is doing the upkeep.
pub(super) async fn close(
    connection: &mut AsyncMysqlConnection,
    day: Day,
    now: UnixMillis,
) -> Answer<()> {
    if !turn::try_take(connection, turn::NOT_NOW).await? {
        return Ok(());
    }
    let closed = match Layout::read(connection).await {
        Ok(layout) => close::close(connection, layout.mode, day, now).await,
        Err(fault) => Err(fault),
    };
    turn::end(connection, closed).await
}

/// Drops the rows older than one day and the usage older than another, unless another process is
/// doing the upkeep.
pub(super) async fn retain(
    connection: &mut AsyncMysqlConnection,
    rows: Option<Day>,
    usage: Option<Day>,
) -> Answer<()> {
    if !turn::try_take(connection, turn::NOT_NOW).await? {
        return Ok(());
    }
    let retained = retention::retain(connection, rows, usage).await;
    turn::end(connection, retained).await
}

/// Drops the days before this one, and says what they were.
pub(super) async fn drop_partitions(
    connection: &mut AsyncMysqlConnection,
    before: Day,
) -> Answer<Vec<Partition>> {
    turn::take(connection).await?;
    let dropped = retention::drop_partitions(connection, before).await;
    turn::end(connection, dropped).await
}

/// Moves all rows to the tables of this mode.
pub(super) async fn set_mode(connection: &mut AsyncMysqlConnection, mode: Mode) -> Answer<()> {
    turn::take(connection).await?;
    let moved = match retention::finish(connection).await {
        Ok(()) => moving::change(connection, mode).await,
        failed => failed,
    };
    turn::end(connection, moved).await
}
