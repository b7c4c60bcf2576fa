//! Closing a day: what is derived from its rows is computed, and computed again where it is dirty.
//!
//! Batches never wait for it. First, in a moment when no batch is under way, the day is marked as
//! being counted; a batch that comes later marks it dirty. Then it is counted, and is clean at the
//! end only if that mark still stands.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Date, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    days,
    decode::{DayRow, day_of, time},
    derive::{compute_usage, count_messages, day_state},
    session::Session,
    sqlstate::SqlState,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::UnixMillis,
};

/// Days closed by one call, each in its own transaction: the rest waits for the next.
const MAX_DAYS: i64 = 7;

/// How often a day that met batches is counted again before it is left for later.
const ATTEMPTS: usize = 5;

/// Waits for the batches under way, and no longer than they may be held up.
const WITHOUT_BATCHES: &str = concat!("SET LOCAL lock_timeout = '2s'; ", lock!(no batch));
/// A day of millions of rows takes a while.
const BEGIN_COUNTING: &str =
    "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'";

/// A yes or a no.
#[derive(QueryableByName)]
struct FlagRow {
    #[diesel(sql_type = Bool)]
    value: bool,
}

/// Closes the oldest days that have ended an hour ago and are not closed, or are dirty.
pub(super) async fn close_days(session: &mut Session, now: UnixMillis) -> QueryResult<()> {
    session.begin("BEGIN").await?;
    let due = mark(&mut session.connection, now).await;
    for day in session.end(due).await? {
        if !close_surely(session, day, now).await? {
            break;
        }
    }
    Ok(())
}

/// Batches lock conversations in an order of their own, so that one of both may have to begin again.
async fn close_surely(session: &mut Session, day: Day, now: UnixMillis) -> QueryResult<bool> {
    let mut attempts = 1;
    loop {
        session.begin(BEGIN_COUNTING).await?;
        let closed = close_alone(&mut session.connection, day, now).await;
        match session.end(closed).await {
            Err(_) if session.state() == Some(SqlState::DEADLOCK) && attempts < ATTEMPTS => {
                attempts += 1;
            }
            result => return result,
        }
    }
}

/// Marks the days that are due, so that every batch from now on is told from those before.
async fn mark(connection: &mut AsyncPgConnection, now: UnixMillis) -> QueryResult<Vec<Day>> {
    let due: Vec<DayRow> = sql_query(
        "SELECT day FROM recording_days WHERE day <= $1::date \
         AND (closed_at IS NULL OR dirty <> 0) ORDER BY day LIMIT $2",
    )
    .bind::<Text, _>(Day::newest_closable(now).to_string())
    .bind::<BigInt, _>(MAX_DAYS)
    .load(connection)
    .await?;
    if due.is_empty() || !is_alone(connection).await? {
        return Ok(Vec::new());
    }
    connection.batch_execute(WITHOUT_BATCHES).await?;
    for DayRow { day } in &due {
        sql_query("UPDATE recording_days SET dirty = 2 WHERE day = $1")
            .bind::<Date, _>(*day)
            .execute(connection)
            .await?;
    }
    Ok(due.into_iter().map(|row| day_of(row.day)).collect())
}

/// Takes the turn of maintenance until the transaction ends, unless another process has it.
pub(super) async fn is_alone(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let locked: FlagRow = sql_query(lock!(try maintenance))
        .get_result(connection)
        .await?;
    Ok(locked.value)
}

async fn close_alone(
    connection: &mut AsyncPgConnection,
    day: Day,
    now: UnixMillis,
) -> QueryResult<bool> {
    if !is_alone(connection).await? {
        return Ok(false);
    }
    close(connection, day, now).await?;
    Ok(true)
}

/// Closes one day. Nobody else closes or drops days meanwhile.
pub(super) async fn close(
    connection: &mut AsyncPgConnection,
    day: Day,
    now: UnixMillis,
) -> QueryResult<()> {
    let Some(state) = day_state(connection, day).await? else {
        return Ok(());
    };
    // A day that somebody dropped keeps its usage; its messages are in no count any more.
    let mut kept = true;
    for prefix in [MESSAGES, ERRORS] {
        let tables = days::tables(connection, prefix).await?;
        kept &= tables.iter().any(|(_, of)| of.is_none_or(|of| of == day));
    }
    if kept {
        compute_usage(connection, day, &state).await?;
        count_messages(connection, day).await?;
    }
    sql_query(
        "UPDATE recording_days SET closed_at = $1, \
         dirty = CASE dirty WHEN 2 THEN 0 ELSE dirty END WHERE day = $2::date",
    )
    .bind::<Timestamptz, _>(time(now))
    .bind::<Text, _>(day.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
