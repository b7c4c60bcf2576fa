//! What is too old goes: whole days, then what they leave behind.
//!
//! Every step is a short transaction of its own, so that batches go on meanwhile, and leaves a whole
//! behind: two processes at once share the work, and after a crash the next call does the rest.

use diesel::{
    connection::SimpleConnection, prelude::*, sql_query, sql_types::Text, sqlite::SqliteConnection,
};

use super::{
    close,
    connection::Connections,
    days::{self, Mode},
    meta, sweep, tables, views,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Partition, StoreError, StoreOptions, UnixMillis},
};

/// Rows of a few hundred bytes that go in one transaction: some milliseconds.
const ROWS_AT_ONCE: usize = 2_000;
/// The same of `recording_rejects`, whose rows have up to a megabyte.
const REJECTS_AT_ONCE: usize = 100;

/// How long what is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    days: Option<u32>,
    usage_days: Option<u32>,
}

impl Retention {
    pub(super) fn new(options: &StoreOptions) -> Self {
        Self {
            days: options.retention_days,
            usage_days: options.usage_retention_days,
        }
    }

    /// Drops what is not kept any more.
    pub(super) fn apply(
        self,
        connections: &Connections,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        match self.days {
            Some(days) => drop_before(connections, Day::oldest_kept(now, days), false)?,
            // What a crash left of a call of `drop_partitions`.
            None => sweep::sweep(connections)?,
        };
        if let Some(days) = self.usage_days {
            let too_old = format!("day < '{}'", Day::oldest_kept(now, days));
            remove(connections, "usage_daily", &too_old, ROWS_AT_ONCE)?;
        }
        Ok(())
    }
}

/// Drops the days before this one with all that they leave behind, and says what was dropped, with
/// its size where it is `measured`.
pub(super) fn drop_before(
    connections: &Connections,
    oldest: Day,
    measured: bool,
) -> Result<Vec<Partition>, StoreError> {
    let mut dropped = Vec::new();
    for day in connections.read(|connection, mode| due(connection, mode, oldest))? {
        let tables =
            connections.change(|connection, mode| drop_day(connection, mode, day, measured))?;
        dropped.extend(tables);
    }
    dropped.extend(sweep::sweep(connections)?);
    dropped.sort_by_key(|partition| partition.table.starts_with(ERRORS));
    remove_conversations(connections, oldest)?;
    let cutoff = oldest.start_ms();
    for (table, time, rows_at_once) in [
        ("recording_rejects", "created_at", REJECTS_AT_ONCE),
        ("response_ids", "seen_at", ROWS_AT_ONCE),
    ] {
        let too_old = format!("{time} < {cutoff}");
        remove(connections, table, &too_old, rows_at_once)?;
    }
    Ok(dropped)
}

/// The days before this one that have rows or tables, oldest first.
fn due(connection: &mut SqliteConnection, mode: Mode, oldest: Day) -> QueryResult<Vec<Day>> {
    let mut days = days::between(connection, Day::MIN, oldest)?;
    if mode == Mode::Daily {
        for prefix in [MESSAGES, ERRORS] {
            days.extend(tables::days(connection, prefix)?);
        }
    }
    days.retain(|day| *day < oldest);
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

/// Drops a day's tables, or notes that its rows are to go, inside the caller's transaction.
fn drop_day(
    connection: &mut SqliteConnection,
    mode: Mode,
    day: Day,
    measured: bool,
) -> QueryResult<Vec<Partition>> {
    let derived = days::derived(connection, day)?;
    let forgotten = sql_query("DELETE FROM recording_days WHERE day = ?")
        .bind::<Text, _>(day.to_string())
        .execute(connection)?;
    if mode == Mode::Single && forgotten == 0 {
        // Another process has dropped it, and its rows are on their way out.
        return Ok(Vec::new());
    }
    close::leave(connection, mode, day, derived)?;
    meta::begin_epoch(connection)?;
    if mode == Mode::Single {
        meta::begin_sweeping(connection, day)?;
        return Ok(Vec::new());
    }
    let mut dropped = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        let table = day.table_name(prefix);
        if !tables::exists(connection, &table)? {
            continue;
        }
        if measured {
            dropped.push(tables::partition(connection, table.clone(), Some(day))?);
        }
        drop_table(connection, &table)?;
    }
    views::try_replace(connection, mode);
    Ok(dropped)
}

/// Without overwriting its pages, which would put all of a day through the journal.
fn drop_table(connection: &mut SqliteConnection, table: &str) -> QueryResult<()> {
    connection.batch_execute("PRAGMA secure_delete = OFF")?;
    let dropped = connection.batch_execute(&format!("DROP TABLE {table}"));
    connection.batch_execute("PRAGMA secure_delete = ON")?;
    dropped
}

/// Removes the conversations that have nothing left: none of their days has rows.
fn remove_conversations(connections: &Connections, oldest: Day) -> Result<(), StoreError> {
    let delete = deletion(
        "conversations",
        &format!(
            "last_day < '{oldest}' AND NOT EXISTS (SELECT 1 FROM recording_days AS d \
             WHERE d.day BETWEEN conversations.first_day AND conversations.last_day)"
        ),
        ROWS_AT_ONCE,
    );
    loop {
        let removed = connections.change(|connection, _| {
            let removed = sql_query(&delete).execute(connection)?;
            if removed > 0 {
                meta::begin_epoch(connection)?;
            }
            Ok(removed)
        })?;
        if removed < ROWS_AT_ONCE {
            return Ok(());
        }
    }
}

fn remove(
    connections: &Connections,
    table: &str,
    condition: &str,
    rows_at_once: usize,
) -> Result<(), StoreError> {
    let delete = deletion(table, condition, rows_at_once);
    while connections.change(|connection, _| sql_query(&delete).execute(connection))?
        == rows_at_once
    {}
    Ok(())
}

fn deletion(table: &str, condition: &str, rows_at_once: usize) -> String {
    format!(
        "DELETE FROM {table} WHERE rowid IN \
         (SELECT rowid FROM {table} WHERE {condition} LIMIT {rows_at_once})"
    )
}
