//! Moving all rows between the tables of days and the single ones.
//!
//! Every statement that makes or drops a table commits, so the steps stand in an order in which each
//! may be the last one of a process that is ended:
//!
//! 1. `recording_meta` notes that rows are being copied. Whoever writes waits from then on.
//! 2. The other mode's tables are made and filled. Until now nobody reads them.
//! 3. The mode changes, in one transaction with the note, which now says that tables are dropped.
//! 4. The old mode's tables are dropped, and then the note.
//!
//! Whoever finds a note and nobody who works at it drops the tables of the mode that is not the
//! database's: before the third step everything is as it was, after it everything is moved.

use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection};

use super::{
    chunks::{self, Rows},
    days,
    error::{Answer, Fault, asked},
    layout::{self, Layout, Mode},
    lock::{Lock, PATIENCE},
    partitions::measure,
    views,
};
use crate::partition::{Day, ERRORS, MESSAGES};

const NOTE: &str = "partition_move";

/// Moves all rows, where the mode is another one; whoever calls this does the upkeep.
pub(super) async fn change(connection: &mut AsyncMysqlConnection, wanted: Mode) -> Answer<()> {
    if Layout::read(connection).await?.mode == wanted {
        return Ok(());
    }
    begin(connection, wanted).await?;
    let moved = match copy(connection, wanted).await {
        Ok(()) => switch(connection, wanted).await,
        failed => failed,
    };
    let moved = asked(connection, moved).await;
    if moved.is_err() && connection.batch_execute("ROLLBACK").await.is_err() {
        // Whoever comes next tidies up.
        return moved;
    }
    let tidied = tidy(connection).await;
    match (moved, asked(connection, tidied).await) {
        (Ok(()), Err(fault)) => {
            let error = fault.into_store_error();
            tracing::warn!(%error, "the tables that rows were moved from are dropped later");
            Ok(())
        }
        (moved, _) => moved,
    }
}

/// Keeps all others from writing.
pub(super) async fn begin(connection: &mut AsyncMysqlConnection, wanted: Mode) -> Answer<()> {
    Lock::Tables.take(connection, PATIENCE).await?;
    let begun = begin_alone(connection, wanted).await;
    let begun = asked(connection, begun).await;
    if begun.is_err() && connection.batch_execute("ROLLBACK").await.is_err() {
        return begun;
    }
    Lock::Tables.release(connection).await?;
    begun
}

async fn begin_alone(connection: &mut AsyncMysqlConnection, wanted: Mode) -> Answer<()> {
    for prefix in [MESSAGES, ERRORS] {
        let is_taken = match wanted {
            Mode::Daily => !days::existing(connection, prefix).await?.is_empty(),
            Mode::Single => days::exists(connection, prefix).await?,
        };
        if is_taken {
            return Err(Fault::Away(
                "tables that are not the recorder's are in the way".to_owned(),
            ));
        }
    }
    days::show_right_to_drop(connection).await?;
    connection.batch_execute("START TRANSACTION").await?;
    Layout::lock(connection).await?;
    layout::set(connection, NOTE, "copying").await?;
    connection.batch_execute("COMMIT").await?;
    Ok(())
}

/// The single table's name, until it is whole and the view gives its own up.
fn copied(prefix: &str) -> String {
    format!("{prefix}_copied")
}

/// Makes and fills the tables of this mode.
pub(super) async fn copy(connection: &mut AsyncMysqlConnection, wanted: Mode) -> Answer<()> {
    let days = days::between(connection, Day::MIN, Day::MAX).await?;
    for prefix in [MESSAGES, ERRORS] {
        match wanted {
            Mode::Daily => split(connection, prefix, &days).await?,
            Mode::Single => join(connection, prefix, &days).await?,
        }
    }
    if wanted == Mode::Single {
        connection
            .batch_execute(&format!(
                "DROP VIEW IF EXISTS {MESSAGES}, {ERRORS}; \
                 RENAME TABLE {} TO {MESSAGES}, {} TO {ERRORS}",
                copied(MESSAGES),
                copied(ERRORS)
            ))
            .await?;
    }
    Ok(())
}

async fn split(connection: &mut AsyncMysqlConnection, prefix: &str, days: &[Day]) -> Answer<()> {
    let mut rows = 0;
    for day in days {
        let table = day.table_name(prefix);
        days::create(connection, prefix, &table).await?;
        rows += chunks::copy(connection, &Rows::new(Mode::Single, prefix, *day), &table).await?;
    }
    let all = measure(connection, prefix.to_owned(), None).await?.rows;
    if usize::try_from(all) == Ok(rows) {
        Ok(())
    } else {
        // What belongs to nothing would be lost.
        Err(Fault::Away(
            "there are rows of no conversation or of no day, which cannot be moved".to_owned(),
        ))
    }
}

async fn join(connection: &mut AsyncMysqlConnection, prefix: &str, days: &[Day]) -> Answer<()> {
    let table = copied(prefix);
    days::create(connection, prefix, &table).await?;
    for day in days {
        if days::exists(connection, &day.table_name(prefix)).await? {
            chunks::copy(connection, &Rows::new(Mode::Daily, prefix, *day), &table).await?;
        }
    }
    Ok(())
}

/// Lets everybody use the tables of this mode.
pub(super) async fn switch(connection: &mut AsyncMysqlConnection, wanted: Mode) -> Answer<()> {
    connection.batch_execute("START TRANSACTION").await?;
    Layout::lock(connection).await?;
    layout::set(connection, "partition", wanted.as_str()).await?;
    layout::set(connection, NOTE, "dropping").await?;
    layout::count(connection, "partition_moves").await?;
    connection.batch_execute("COMMIT").await?;
    Ok(())
}

/// Drops the tables of the mode that is not the database's, where somebody left them behind; whoever
/// calls this does the upkeep.
pub(super) async fn tidy(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    let layout = Layout::read(connection).await?;
    if layout.unfinished.is_none() {
        return Ok(());
    }
    for prefix in [MESSAGES, ERRORS] {
        drop_table(connection, &copied(prefix)).await?;
        match layout.mode {
            Mode::Daily if days::exists(connection, prefix).await? => {
                drop_table(connection, prefix).await?;
            }
            Mode::Daily => {}
            Mode::Single => {
                for day in days::existing(connection, prefix).await? {
                    drop_table(connection, &day.table_name(prefix)).await?;
                }
            }
        }
    }
    Lock::Tables.take(connection, PATIENCE).await?;
    views::replace(connection, layout.mode, Day::MIN).await;
    let forgotten = layout::unset(connection, NOTE).await;
    let forgotten = asked(connection, forgotten).await;
    Lock::Tables.release(connection).await?;
    forgotten
}

async fn drop_table(connection: &mut AsyncMysqlConnection, table: &str) -> Answer<()> {
    let sql = format!("DROP TABLE IF EXISTS {table}");
    Ok(connection.batch_execute(&sql).await?)
}
