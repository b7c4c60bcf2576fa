//! Dropping days: what is derived from a day's rows is settled first, then the rows go.
//!
//! A partition goes in one transaction with all that belongs to its day. Dropping it takes the table
//! of all days away from everybody, so that comes last, waits only for moments, and lasts one.

use std::time::Duration;

use diesel::{prelude::*, sql_query, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::time::sleep;

use super::{
    close::{close, is_alone},
    days::{self, within},
    decode::{DayRow, day_of},
    delete,
    derive::{day_state, recount},
    mode::Mode,
    session::Session,
    sqlstate::SqlState,
    time::now,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

/// How often a day that met others is begun again before it is left for later.
const ATTEMPTS: usize = 5;
/// A vacuum gives way to whoever waits for a second, which the last moment is too short for.
const LOCK_SOON: &str = "SAVEPOINT soon; SET LOCAL lock_timeout = '1500ms'";
/// How often a table is asked for, and how long inserts stand behind that each time.
const TRIES: u32 = 8;
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '100ms'";
/// For inserts to go on between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// A day of millions of rows takes a while.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s'";

/// What writers compare with what they remember: it changes whenever conversations may be gone.
pub(super) const NOTE_DROP: &str = "INSERT INTO recording_meta (key, value) \
     VALUES ('dropped', uuid_send(gen_random_uuid())) \
     ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value";

/// Who drops days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Everybody, each hour: one of them is enough, and what is not to be had now is later.
    Retention,
    /// Somebody who waits for it.
    Operator,
}

/// The days before this one that may have rows, oldest first.
pub(super) async fn due(session: &mut Session, before: Day) -> QueryResult<Vec<Day>> {
    session.begin("BEGIN READ ONLY").await?;
    let due = due_days(&mut session.connection, before).await;
    session.end(due).await
}

async fn due_days(connection: &mut AsyncPgConnection, before: Day) -> QueryResult<Vec<Day>> {
    let known: Vec<DayRow> =
        sql_query("SELECT day FROM recording_days WHERE day < $1::date ORDER BY day")
            .bind::<Text, _>(before.to_string())
            .load(connection)
            .await?;
    let mut due: Vec<Day> = known.into_iter().map(|row| day_of(row.day)).collect();
    for prefix in [MESSAGES, ERRORS] {
        let tables = days::tables(connection, prefix).await?;
        let days = tables.into_iter().filter_map(|(_, day)| day);
        due.extend(days.filter(|day| *day < before));
    }
    due.sort_unstable();
    due.dedup();
    Ok(due)
}

/// Drops a day and says what went; `None` where somebody else is at it.
///
/// Batches lock conversations in an order of their own, so that one of both may have to begin again.
pub(super) async fn drop_surely(
    session: &mut Session,
    day: Day,
    who: Who,
) -> QueryResult<Option<Vec<Partition>>> {
    let mut attempts = 1;
    loop {
        let mode = begin(session, who).await;
        let is_single = matches!(mode, Ok(Some(Mode::Single)));
        let dropped = match mode {
            Ok(Some(Mode::Daily)) => drop_day(session, day).await.map(Some),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match session.end(dropped).await {
            Ok(_) if is_single => {
                let deleted = delete::day(session, day, who).await?;
                if deleted.is_some() || who == Who::Retention || attempts == ATTEMPTS {
                    return Ok(deleted);
                }
            }
            Err(_) if session.state() == Some(SqlState::DEADLOCK) && attempts < ATTEMPTS => {}
            result => return result,
        }
        attempts += 1;
    }
}

/// Begins a transaction in which nobody else closes or drops days; `None` where somebody else does.
pub(super) async fn begin(session: &mut Session, who: Who) -> QueryResult<Option<Mode>> {
    session.begin(BEGIN).await?;
    let connection = &mut session.connection;
    match who {
        Who::Retention if !is_alone(connection).await? => return Ok(None),
        Who::Retention => {}
        Who::Operator => connection.batch_execute(lock!(maintenance)).await?,
    }
    Mode::of(connection).await.map(Some)
}

/// What comes for the day meanwhile goes with it.
async fn drop_day(session: &mut Session, day: Day) -> QueryResult<Vec<Partition>> {
    let connection = &mut session.connection;
    let mut tables = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        if days::existing(connection, prefix).await?.contains(&day) {
            let table = day.table_name(prefix);
            let lock = format!("LOCK TABLE {table} IN SHARE MODE");
            days::one_by_one(connection, &[LOCK_SOON, &lock]).await?;
            connection
                .batch_execute("ROLLBACK TO SAVEPOINT soon")
                .await?;
            tables.push(days::partition(connection, prefix, table, Some(day)).await?);
        }
    }
    count(connection, day).await?;
    let of_day = within(&[day]);
    let touched = format!(
        "SELECT h.conversation_id FROM {MESSAGES} AS h WHERE {of_day} \
         UNION SELECT h.conversation_id FROM {ERRORS} AS h WHERE {of_day}"
    );
    forget(connection, &touched, day).await?;
    connection
        .batch_execute(&format!("DELETE FROM recording_days WHERE day = '{day}'"))
        .await?;
    if !tables.is_empty() {
        let names: Vec<&str> = tables.iter().map(|table| table.table.as_str()).collect();
        drop_tables(session, &names.join(", ")).await?;
    }
    Ok(tables)
}

/// Closes a day that has rows which are in no usage yet.
pub(super) async fn count(connection: &mut AsyncPgConnection, day: Day) -> QueryResult<()> {
    match day_state(connection, day).await? {
        Some(state) if !state.closed || state.dirty => close(connection, day, now()).await,
        _ => Ok(()),
    }
}

/// Takes a day from these conversations, of which those that have no later one go.
pub(super) async fn forget(
    connection: &mut AsyncPgConnection,
    touched: &str,
    day: Day,
) -> QueryResult<()> {
    recount(connection, touched, &format!("AND day > '{day}'")).await?;
    let delete =
        format!("DELETE FROM conversations WHERE last_day <= '{day}' AND id IN ({touched})");
    days::one_by_one(connection, &[&delete, NOTE_DROP]).await
}

/// Waits in short turns, so that nobody stands behind it for long.
async fn drop_tables(session: &mut Session, tables: &str) -> QueryResult<()> {
    session.connection.batch_execute(LOCK_TIMEOUT).await?;
    let sql = ["SAVEPOINT tables", &format!("DROP TABLE {tables}")];
    let mut tries = 1;
    loop {
        let result = days::one_by_one(&mut session.connection, &sql).await;
        let in_use = session.state() == Some(SqlState::LOCK_TIMEOUT);
        if result.is_ok() || !in_use || tries == TRIES {
            return result;
        }
        session.forget_state();
        session
            .connection
            .batch_execute("ROLLBACK TO SAVEPOINT tables")
            .await?;
        sleep(PAUSE).await;
        tries += 1;
    }
}
