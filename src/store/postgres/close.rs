//! Closing a day: what is derived from its rows is computed, and computed again where it is dirty.
//!
//! Batches never wait for it. First, in a moment when no batch is under way, the day is marked as
//! being counted; a batch that comes later marks it dirty. Then it is counted, and is clean at the
//! end only if that mark still stands.

use diesel::{
    pg::data_types::PgDate,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool, Date, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    days::{self, Mode},
    decode::{day_of, time},
    list::DayRow,
    session::Session,
    sqlstate::SqlState,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{UnixMillis, columns::COUNTED},
};

/// Days closed by one call, each in its own transaction: the rest waits for the next.
const MAX_DAYS: i64 = 7;

/// How often a day that met batches is counted again before it is left for later.
const ATTEMPTS: usize = 5;

/// One process at a time; the others leave it to it.
const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock(731058904, current_schema()::regnamespace::oid::int) AS value";
/// Waits for the batches under way, and no longer than they may be held up.
const WITHOUT_BATCHES: &str = "SET LOCAL lock_timeout = '2s'; \
     SELECT pg_advisory_xact_lock(731058903, current_schema()::regnamespace::oid::int)";
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
pub(super) async fn close_days(
    session: &mut Session,
    mode: Mode,
    now: UnixMillis,
) -> QueryResult<()> {
    session.begin("BEGIN").await?;
    let due = mark(&mut session.connection, now).await;
    for day in session.end(due).await? {
        if !close_surely(session, mode, day, now).await? {
            break;
        }
    }
    Ok(())
}

/// Batches lock conversations in an order of their own, so that one of both may have to begin again.
async fn close_surely(
    session: &mut Session,
    mode: Mode,
    day: Day,
    now: UnixMillis,
) -> QueryResult<bool> {
    let mut attempts = 1;
    loop {
        session.begin(BEGIN_COUNTING).await?;
        let closed = close(&mut session.connection, mode, day, now).await;
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

async fn is_alone(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let locked: FlagRow = sql_query(TRY_LOCK).get_result(connection).await?;
    Ok(locked.value)
}

/// Closes one day, unless another process is at it.
async fn close(
    connection: &mut AsyncPgConnection,
    mode: Mode,
    day: Day,
    now: UnixMillis,
) -> QueryResult<bool> {
    if !is_alone(connection).await? {
        return Ok(false);
    }
    // A day that was dropped keeps its usage; its messages are in no count any more.
    let mut kept = true;
    for prefix in [MESSAGES, ERRORS] {
        kept &= mode == Mode::Single || days::existing(connection, prefix).await?.contains(&day);
    }
    if kept {
        compute_usage(connection, day).await?;
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
    Ok(true)
}

async fn compute_usage(connection: &mut AsyncPgConnection, day: Day) -> QueryResult<()> {
    const SUMS: [&str; 6] = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
    ];
    let within = within(&[day]);
    let sum_of = |column: &str| format!(", coalesce(sum({column}), 0) AS {column}");
    // A sum of 64-bit numbers is a numeric: it stops at the largest that fits, and never fails.
    let clamp = |column: &str| {
        format!(
            ", least(greatest(sum({column}), {}), {})::bigint",
            i64::MIN,
            i64::MAX
        )
    };
    let sums = SUMS.map(sum_of).concat();
    let zeros = SUMS.map(|column| format!(", 0 AS {column}")).concat();
    let clamped = SUMS.map(clamp).concat();
    let columns = SUMS.join(", ");
    let group = "tenant, user_id, coalesce(model_name, '')";
    connection
        .batch_execute(&format!(
            "DELETE FROM usage_daily WHERE day = '{day}'; \
             INSERT INTO usage_daily (tenant, user_id, day, model_name, messages, exchanges, \
             errors, {columns}) \
             SELECT tenant, user_id, '{day}'::date, model, sum(messages)::bigint, \
             sum(exchanges)::bigint, sum(errors)::bigint{clamped} FROM (\
             SELECT tenant, user_id, coalesce(model_name, '') AS model, \
             count(*) FILTER (WHERE {COUNTED}) AS messages, \
             count(DISTINCT exchange_id) AS exchanges, 0 AS errors{sums} \
             FROM {MESSAGES} AS h WHERE {within} GROUP BY {group} \
             UNION ALL \
             SELECT tenant, user_id, coalesce(model_name, ''), 0, 0, count(*){zeros} \
             FROM {ERRORS} AS h WHERE {within} GROUP BY {group}) AS both_kinds \
             GROUP BY tenant, user_id, model"
        ))
        .await
}

/// The span of the conversations of a day that have other days too.
#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Nullable<Date>)]
    first_day: Option<PgDate>,
    #[diesel(sql_type = Nullable<Date>)]
    last_day: Option<PgDate>,
}

/// Counts the conversations that this day touched again, over all their closed days.
async fn count_messages(connection: &mut AsyncPgConnection, day: Day) -> QueryResult<()> {
    let of_day = within(&[day]);
    let touched = format!("SELECT h.conversation_id FROM {MESSAGES} AS h WHERE {of_day}");
    connection
        .batch_execute(&format!(
            "UPDATE conversations AS c SET message_count = n.messages FROM (\
             SELECT h.conversation_id, count(*) FILTER (WHERE {COUNTED}) AS messages \
             FROM {MESSAGES} AS h WHERE {of_day} GROUP BY h.conversation_id) AS n \
             WHERE c.id = n.conversation_id AND c.first_day = c.last_day \
             AND c.message_count <> n.messages"
        ))
        .await?;
    let span: Span = sql_query(format!(
        "SELECT min(first_day) AS first_day, max(last_day) AS last_day FROM conversations \
         WHERE first_day < last_day AND id IN ({touched})"
    ))
    .get_result(connection)
    .await?;
    let (Some(first), Some(last)) = (span.first_day, span.last_day) else {
        return Ok(());
    };
    let closed: Vec<DayRow> = sql_query(
        "SELECT day FROM recording_days WHERE day BETWEEN $1 AND $2 \
         AND (closed_at IS NOT NULL OR day = $3::date) ORDER BY day",
    )
    .bind::<Date, _>(first)
    .bind::<Date, _>(last)
    .bind::<Text, _>(day.to_string())
    .load(connection)
    .await?;
    let closed: Vec<Day> = closed.into_iter().map(|row| day_of(row.day)).collect();
    let within = within(&closed);
    connection
        .batch_execute(&format!(
            "UPDATE conversations AS c SET message_count = n.messages FROM (\
             SELECT h.conversation_id, count(*) FILTER (WHERE {COUNTED}) AS messages \
             FROM conversations AS t JOIN {MESSAGES} AS h ON h.conversation_id = t.id \
             AND h.created_at >= t.first_day::timestamptz \
             AND h.created_at < (t.last_day + 1)::timestamptz AND {within} \
             WHERE t.first_day < t.last_day AND t.id IN ({touched}) \
             GROUP BY h.conversation_id) AS n \
             WHERE c.id = n.conversation_id AND c.message_count <> n.messages"
        ))
        .await
}

/// A condition on `h.created_at`: within these days, which are in order. Neighbours become one range.
pub(super) fn within(days: &[Day]) -> String {
    let mut ranges: Vec<(Day, Day)> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((_, last)) if *last == day.previous() => *last = *day,
            _ => ranges.push((*day, *day)),
        }
    }
    if ranges.is_empty() {
        return "FALSE".to_owned();
    }
    let range = |(first, last): &(Day, Day)| {
        let from = match *first {
            Day::MIN => "-infinity".to_owned(),
            day => format!("{day} 00:00:00+00"),
        };
        let to = match *last {
            Day::MAX => "infinity".to_owned(),
            day => format!("{} 00:00:00+00", Day::from_unix_ms(day.end_ms())),
        };
        format!("(h.created_at >= '{from}' AND h.created_at < '{to}')")
    };
    let ranges: Vec<String> = ranges.iter().map(range).collect();
    format!("({})", ranges.join(" OR "))
}
