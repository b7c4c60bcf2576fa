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
//! Whoever finds a note and nobody who works at it notes that tables are dropped, and drops those of
//! the mode that is not the database's: before the third step everything is as it was, after it
//! everything is moved.

use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection};

use super::{
    chunks::{self, Rows},
    days,
    error::{Answer, Fault, asked},
    layout::{self, Layout, Mode, Unfinished},
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
    tidy(connection).await?;
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
            tracing::warn!(%error, "tables that rows were moved from could not be dropped yet");
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
        if is_taken(connection, wanted, prefix).await? {
            return Err(Fault::Away(
                "tables that are not the recorder's are in the way".to_owned(),
            ));
        }
    }
    days::show_right_to_drop(connection).await?;
    note(connection, "copying").await
}

async fn note(connection: &mut AsyncMysqlConnection, phase: &str) -> Answer<()> {
    connection.batch_execute("START TRANSACTION").await?;
    Layout::lock(connection).await?;
    layout::set(connection, NOTE, phase).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(())
}

/// Whether there are tables that would be written over, or dropped with rows that were not moved.
async fn is_taken(
    connection: &mut AsyncMysqlConnection,
    wanted: Mode,
    prefix: &str,
) -> Answer<bool> {
    let of_days = days::existing(connection, prefix).await?;
    if days::exists(connection, &copied(prefix)).await?
        || (wanted == Mode::Daily && !of_days.is_empty())
        || (wanted == Mode::Single && days::exists(connection, prefix).await?)
    {
        return Ok(true);
    }
    let known = days::between(connection, Day::MIN, Day::MAX).await?;
    for day in of_days.into_iter().filter(|day| !known.contains(day)) {
        let table = measure(connection, day.table_name(prefix), None).await?;
        if table.rows > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The single table's name, until it is whole and the view gives its own up.
fn copied(prefix: &str) -> String {
    format!("recording_copied_{prefix}")
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
    if layout.unfinished == Some(Unfinished::Copying) {
        // Whoever writes need not wait until they can be dropped.
        note(connection, "dropping").await?;
    }
    let mut tables = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        tables.push(copied(prefix));
        if layout.mode == Mode::Single {
            let days = days::existing(connection, prefix).await?;
            tables.extend(days.iter().map(|day| day.table_name(prefix)));
        } else if days::exists(connection, prefix).await? {
            tables.push(prefix.to_owned());
        }
    }
    days::drop_tables(connection, &tables).await?;
    Lock::Tables.take(connection, PATIENCE).await?;
    views::replace(connection, layout.mode, Day::MIN).await;
    let forgotten = layout::unset(connection, NOTE).await;
    let forgotten = asked(connection, forgotten).await;
    Lock::Tables.release(connection).await?;
    forgotten
}
