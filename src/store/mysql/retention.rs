//! Dropping old days, with the conversations that then have nothing left.
//!
//! A day is dropped when it is taken out of `recording_days`, in one transaction with a note in
//! `recording_meta`. The note says up to which day there may be tables, rows and conversations of
//! days that are dropped, and stands until they are swept away: by this call, or, where it was cut
//! off, by the next.

use diesel::{sql_query, sql_types::Text};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    close,
    days::{self, TextRow},
    derive,
    error::{Answer, asked},
    layout::{self, Layout, Mode},
    lock::{Lock, PATIENCE},
    partitions::measure,
    removal::{Deleted, delete_rows, forget, remove_conversations},
    views,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

const NOTE: &str = "partition_drop";

/// Days dropped while nobody makes tables: a second or two.
const DAYS_AT_ONCE: usize = 30;

/// Drops what is older than the day `rows`, and of `usage_daily` what is older than `usage`; whoever
/// calls this does the upkeep.
pub(super) async fn retain(
    connection: &mut AsyncMysqlConnection,
    rows: Option<Day>,
    usage: Option<Day>,
) -> Answer<()> {
    finish(connection).await?;
    if let Some(before) = rows {
        drop_before(connection, before).await?;
    }
    if let Some(before) = usage {
        forget(connection, "usage_daily", "day", before).await?;
    }
    Ok(())
}

/// Drops all days before this one, and says what they were; whoever calls this does the upkeep.
pub(super) async fn drop_partitions(
    connection: &mut AsyncMysqlConnection,
    before: Day,
) -> Answer<Vec<Partition>> {
    finish(connection).await?;
    let mut partitions = Vec::new();
    if Layout::read(connection).await?.mode == Mode::Daily {
        let dropped = days::between(connection, Day::MIN, before.previous()).await?;
        for prefix in [MESSAGES, ERRORS] {
            let mut days = days::existing(connection, prefix).await?;
            days.retain(|day| *day < before && dropped.contains(day));
            for day in days {
                partitions.push(measure(connection, day.table_name(prefix), Some(day)).await?);
            }
        }
    }
    let deleted = drop_before(connection, before).await?;
    for (prefix, rows) in [MESSAGES, ERRORS].into_iter().zip(deleted.0) {
        if rows > 0 {
            partitions.push(Partition {
                table: prefix.to_owned(),
                day: None,
                rows: i64::try_from(rows).unwrap_or(i64::MAX),
                bytes: None,
            });
        }
    }
    Ok(partitions)
}

async fn drop_before(connection: &mut AsyncMysqlConnection, before: Day) -> Answer<Deleted> {
    let mode = Layout::read(connection).await?.mode;
    let mut deleted = Deleted::default();
    let mut days = days::between(connection, Day::MIN, before.previous()).await?;
    days.retain(|day| *day < before);
    if mode == Mode::Daily && !days.is_empty() {
        days::show_right_to_drop(connection).await?;
    }
    let mut portions = days.chunks(DAYS_AT_ONCE).peekable();
    while let Some(portion) = portions.next() {
        let next = portions.peek().and_then(|next| next.split_first());
        let end = next.map_or(before, |(day, _)| *day);
        deleted += drop_days(connection, mode, portion, end).await?;
    }
    forget(connection, "recording_rejects", "created_at", before).await?;
    forget(connection, "response_ids", "seen_at", before).await?;
    Ok(deleted)
}

/// Drops these days, which are all that there are before `end`.
async fn drop_days(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    days: &[Day],
    end: Day,
) -> Answer<Deleted> {
    for day in days {
        // What is not in `usage_daily` yet would be lost.
        close::close(connection, mode, *day, end.start_ms()).await?;
    }
    derive::recount(connection, mode, end, end).await?;
    let mut deleted = Deleted::default();
    if mode == Mode::Single {
        deleted += delete_rows(connection, end, &[]).await?;
    }
    Lock::Tables.take(connection, PATIENCE).await?;
    let forgotten = forget_days(connection, mode, end).await;
    let forgotten = asked(connection, forgotten).await;
    if forgotten.is_err() && connection.batch_execute("ROLLBACK").await.is_err() {
        return forgotten.map(|()| deleted);
    }
    let dropped = match &forgotten {
        Ok(()) => drop_tables(connection, end).await,
        Err(_) => Lock::Tables.release(connection).await,
    };
    forgotten?;
    deleted += sweep(connection, mode, end, dropped).await?;
    Ok(deleted)
}

/// Nobody writes to these days any more before he has made them anew, which the lock of the tables
/// keeps him from.
async fn forget_days(connection: &mut AsyncMysqlConnection, mode: Mode, end: Day) -> Answer<()> {
    views::replace(connection, mode, end).await;
    connection.batch_execute("START TRANSACTION").await?;
    Layout::lock(connection).await?;
    sql_query("DELETE FROM recording_days WHERE day < ?")
        .bind::<Text, _>(end.to_string())
        .execute(connection)
        .await?;
    layout::set(connection, NOTE, &end.to_string()).await?;
    layout::count(connection, "removals").await?;
    connection.batch_execute("COMMIT").await?;
    Ok(())
}

/// Drops the tables of days before this one that are no days any more, and gives the lock back.
async fn drop_tables(connection: &mut AsyncMysqlConnection, end: Day) -> Answer<()> {
    let dropped = drop_tables_alone(connection, end).await;
    let dropped = asked(connection, dropped).await;
    let released = Lock::Tables.release(connection).await;
    dropped.and(released)
}

async fn drop_tables_alone(connection: &mut AsyncMysqlConnection, end: Day) -> Answer<()> {
    let kept = days::between(connection, Day::MIN, end).await?;
    let mut tables = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        let mut days = days::existing(connection, prefix).await?;
        days.retain(|day| *day < end && !kept.contains(day));
        tables.extend(days.iter().map(|day| day.table_name(prefix)));
    }
    days::drop_tables(connection, &tables).await
}

/// Sweeps away what somebody had begun to drop; whoever calls this does the upkeep.
pub(super) async fn finish(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    let notes: Vec<TextRow> = sql_query(
        "SELECT CAST(value AS CHAR) AS value FROM recording_meta WHERE `key` = 'partition_drop'",
    )
    .load(connection)
    .await?;
    for end in days::parse(&notes) {
        let mode = Layout::read(connection).await?.mode;
        Lock::Tables.take(connection, PATIENCE).await?;
        let dropped = drop_tables(connection, end).await;
        sweep(connection, mode, end, dropped).await?;
    }
    Ok(())
}

/// Removes what else is left of days before this one that are no days any more; and the note, where
/// their tables are gone.
async fn sweep(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    end: Day,
    dropped: Answer<()>,
) -> Answer<Deleted> {
    let mut deleted = Deleted::default();
    if mode == Mode::Single {
        let kept = days::between(connection, Day::MIN, end).await?;
        deleted += delete_rows(connection, end, &kept).await?;
    }
    remove_conversations(connection, end).await?;
    // One that went on before it could be removed still counts what was dropped.
    derive::recount(connection, mode, end, Day::MIN).await?;
    dropped?;
    connection.batch_execute("START TRANSACTION").await?;
    Layout::lock(connection).await?;
    layout::unset(connection, NOTE).await?;
    layout::count(connection, "removals").await?;
    connection.batch_execute("COMMIT").await?;
    Ok(deleted)
}
