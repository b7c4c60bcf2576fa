//! Dropping old days, with the conversations that then have nothing left.
//!
//! A note in `recording_meta` stands from the first change to the last, so that the next call brings
//! to an end what a crash cut off. Every step may run again.

use diesel::{sql_query, sql_types::Text};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    close, counts,
    days::{self, TextRow},
    error::{Answer, asked},
    layout::{self, Layout, Mode},
    lock::{Lock, PATIENCE},
    partitions::measure,
    removal::{Deleted, delete_rows, forget, remove_conversations},
    session::{hurry, relax},
    views,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

const NOTE: &str = "partition_drop";

/// Days dropped while nobody makes tables: a second or two.
const DAYS_AT_ONCE: usize = 30;
/// Somebody's long query on an old day is not waited for: the day is dropped by the next call.
const DROP_PATIENCE_SECONDS: u32 = 2;

/// Drops what somebody had begun to drop and did not end; whoever calls this does the upkeep.
pub(super) async fn finish(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    if noted(connection).await?.is_some() {
        drop_before(connection, Day::MIN).await?;
    }
    Ok(())
}

async fn noted(connection: &mut AsyncMysqlConnection) -> Answer<Option<Day>> {
    let rows: Vec<TextRow> = sql_query(
        "SELECT CAST(value AS CHAR) AS value FROM recording_meta WHERE `key` = 'partition_drop'",
    )
    .load(connection)
    .await?;
    Ok(days::parse(&rows).as_slice().first().copied())
}

/// Drops what is older than the day `rows`, and of `usage_daily` what is older than `usage`; whoever
/// calls this does the upkeep.
pub(super) async fn retain(
    connection: &mut AsyncMysqlConnection,
    rows: Option<Day>,
    usage: Option<Day>,
) -> Answer<()> {
    if let Some(before) = rows {
        let mode = Layout::read(connection).await?.mode;
        if noted(connection).await?.is_some()
            || !old_days(connection, mode, before).await?.is_empty()
        {
            drop_before(connection, before).await?;
        }
        forget(connection, "recording_rejects", "created_at", before).await?;
        forget(connection, "response_ids", "seen_at", before).await?;
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
    let mode = Layout::read(connection).await?.mode;
    let mut partitions = Vec::new();
    if mode == Mode::Daily {
        for prefix in [MESSAGES, ERRORS] {
            let days = days::existing(connection, prefix).await?;
            for day in days.into_iter().take_while(|day| *day < before) {
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
    forget(connection, "recording_rejects", "created_at", before).await?;
    forget(connection, "response_ids", "seen_at", before).await?;
    Ok(partitions)
}

async fn drop_before(connection: &mut AsyncMysqlConnection, before: Day) -> Answer<Deleted> {
    let mut deleted = Deleted::default();
    let mode = Layout::read(connection).await?.mode;
    let before = noted(connection)
        .await?
        .map_or(before, |day| day.max(before));
    layout::set(connection, NOTE, &before.to_string()).await?;
    let days = old_days(connection, mode, before).await?;
    let mut portions = days.chunks(DAYS_AT_ONCE).peekable();
    while let Some(portion) = portions.next() {
        let end = portions
            .peek()
            .and_then(|next| next.split_first().map(|(day, _)| *day));
        deleted += drop_days(connection, mode, portion, end.unwrap_or(before)).await?;
    }
    if days.is_empty() {
        deleted += drop_days(connection, mode, &[], before).await?;
    }
    layout::unset(connection, NOTE).await?;
    Ok(deleted)
}

/// The days before this one that have tables or are known to have had rows, oldest first.
async fn old_days(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    before: Day,
) -> Answer<Vec<Day>> {
    let mut days = days::between(connection, Day::MIN, before.previous()).await?;
    if mode == Mode::Daily {
        for prefix in [MESSAGES, ERRORS] {
            days.extend(days::existing(connection, prefix).await?);
        }
    }
    days.retain(|day| *day < before);
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

/// Drops these days, which are all before `end` that there are.
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
    counts::recount(connection, mode, end).await?;
    let mut deleted = Deleted::default();
    if mode == Mode::Single {
        deleted += delete_rows(connection, end).await?;
    }
    Lock::Tables.take(connection, PATIENCE).await?;
    let dropped = drop_alone(connection, mode, days, end).await;
    let dropped = asked(connection, dropped).await;
    if dropped.is_err() {
        connection.batch_execute("ROLLBACK").await?;
    }
    let relaxed = relax(connection).await;
    Lock::Tables.release(connection).await?;
    relaxed?;
    deleted += dropped?;
    Ok(deleted)
}

/// From the transaction on nobody writes to these days before he has made them anew, which the lock
/// of the tables keeps him from.
async fn drop_alone(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    days: &[Day],
    end: Day,
) -> Answer<Deleted> {
    views::replace(connection, mode, end).await;
    connection.batch_execute("START TRANSACTION").await?;
    Layout::lock(connection).await?;
    sql_query("DELETE FROM recording_days WHERE day < ?")
        .bind::<Text, _>(end.to_string())
        .execute(connection)
        .await?;
    layout::count(connection, "removals").await?;
    connection.batch_execute("COMMIT").await?;
    let mut deleted = Deleted::default();
    if mode == Mode::Single {
        // What came meanwhile.
        deleted = delete_rows(connection, end).await?;
    }
    remove_conversations(connection, end).await?;
    if mode == Mode::Daily {
        hurry(connection, DROP_PATIENCE_SECONDS).await?;
        for day in days {
            let tables = [MESSAGES, ERRORS].map(|prefix| day.table_name(prefix));
            let sql = format!("DROP TABLE IF EXISTS {}", tables.join(", "));
            connection.batch_execute(&sql).await?;
        }
    }
    Ok(deleted)
}
