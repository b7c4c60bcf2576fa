//! Closing a day: what is derived from its rows is computed, and computed again where it is dirty.

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
    sqlite::SqliteConnection,
};

use super::{
    days::{self, Derived, Mode, TextRow},
    tables,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::columns::COUNTED,
};

/// Days closed by one call, each in its own transaction: the rest waits for the next.
const MAX_DAYS: i64 = 7;

const TOKENS: [&str; 6] = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
];

/// The oldest days that have ended an hour ago and are not closed, or are dirty.
pub(super) fn due(connection: &mut SqliteConnection, now: i64) -> QueryResult<Vec<Day>> {
    let rows: Vec<TextRow> = sql_query(format!(
        "SELECT day AS value FROM recording_days \
         WHERE day <= ? AND (closed_at IS NULL OR dirty <> 0) ORDER BY day LIMIT {MAX_DAYS}"
    ))
    .bind::<Text, _>(Day::newest_closable(now).to_string())
    .load(connection)?;
    Ok(days::parse(&rows))
}

/// Closes one day inside the caller's immediate transaction, unless another process has.
pub(super) fn close(
    connection: &mut SqliteConnection,
    mode: Mode,
    day: Day,
    now: i64,
) -> QueryResult<()> {
    let derived = days::derived(connection, day)?;
    let closed = sql_query(
        "UPDATE recording_days SET closed_at = ?, dirty = 0 \
         WHERE day = ? AND (closed_at IS NULL OR dirty <> 0)",
    )
    .bind::<BigInt, _>(now)
    .bind::<Text, _>(day.to_string())
    .execute(connection)?;
    if closed > 0 && has_tables(connection, mode, day)? {
        compute_usage(connection, mode, day, derived)?;
        count_messages(connection, mode, day)?;
        note_newest(connection, mode, day)?;
    }
    Ok(())
}

/// Notes the newest rows of the conversations whose last day it is.
fn note_newest(connection: &mut SqliteConnection, mode: Mode, day: Day) -> QueryResult<()> {
    let (start, end) = (day.start_ms(), day.end_ms());
    let [messages, errors] = [MESSAGES, ERRORS].map(|prefix| {
        let table = mode.table(prefix, day);
        let newest = format!(
            "SELECT max(h.created_at) AS time FROM {table} AS h \
             WHERE h.conversation_id = conversations.id \
             AND h.created_at >= {start} AND h.created_at < {end}"
        );
        let rows = rows_of(mode, &table, day);
        (newest, format!("SELECT h.conversation_id FROM {rows}"))
    });
    connection.batch_execute(&format!(
        "UPDATE conversations SET newest_at = (SELECT max(time) FROM ({} UNION ALL {})) \
         WHERE last_day = '{day}' AND id IN ({} UNION {})",
        messages.0, errors.0, messages.1, errors.1
    ))
}

/// Takes a day out of the counts whose rows are about to go, and which `recording_days` does not
/// know any more. Its usage stays, and is computed if it was not.
pub(super) fn leave(
    connection: &mut SqliteConnection,
    mode: Mode,
    day: Day,
    derived: Derived,
) -> QueryResult<()> {
    if !has_tables(connection, mode, day)? {
        return Ok(());
    }
    if derived != Derived::Closed {
        compute_usage(connection, mode, day, derived)?;
    }
    match derived {
        Derived::Open => Ok(()),
        Derived::Dirty => count_messages(connection, mode, day),
        Derived::Closed => uncount_messages(connection, mode, day),
    }
}

/// A day that somebody dropped keeps its usage; its messages are in no count any more.
fn has_tables(connection: &mut SqliteConnection, mode: Mode, day: Day) -> QueryResult<bool> {
    Ok(tables::exists(connection, &mode.table(MESSAGES, day))?
        && tables::exists(connection, &mode.table(ERRORS, day))?)
}

/// The rows of a day. In a single table the conversations of the day lead to them by its key.
fn rows_of(mode: Mode, table: &str, day: Day) -> String {
    let (start, end) = (day.start_ms(), day.end_ms());
    match mode {
        Mode::Daily => format!("{table} AS h"),
        Mode::Single => format!(
            "conversations AS c CROSS JOIN {table} AS h ON h.conversation_id = c.id \
             AND h.created_at >= {start} AND h.created_at < {end} \
             AND c.first_day <= '{day}' AND c.last_day >= '{day}'"
        ),
    }
}

/// Derives the usage of a day. What `usage_daily` has of an open one is of rows that were dropped,
/// and stays.
fn compute_usage(
    connection: &mut SqliteConnection,
    mode: Mode,
    day: Day,
    derived: Derived,
) -> QueryResult<()> {
    if derived != Derived::Open {
        connection.batch_execute(&format!("DELETE FROM usage_daily WHERE day = '{day}'"))?;
    }
    let messages = rows_of(mode, &mode.table(MESSAGES, day), day);
    let errors = rows_of(mode, &mode.table(ERRORS, day), day);
    // total() and the casts stop at the largest number, where sum() would fail for ever.
    let of_each = |text: fn(&str) -> String| TOKENS.map(text).concat();
    let columns = of_each(|column| format!(", {column}"));
    let sums = of_each(|column| format!(", CAST(total(h.{column}) AS INTEGER)"));
    let zeros = of_each(|_| ", 0".to_owned());
    let added =
        of_each(|column| format!(", {column} = CAST({column} + excluded.{column} AS INTEGER)"));
    let into = format!(
        "INSERT INTO usage_daily (tenant, user_id, day, model_name, messages, exchanges, errors\
         {columns}) SELECT h.tenant, h.user_id, '{day}', coalesce(h.model_name, '') AS model"
    );
    let add = format!(
        "WHERE TRUE GROUP BY h.tenant, h.user_id, model ON CONFLICT DO UPDATE SET \
         messages = messages + excluded.messages, exchanges = exchanges + excluded.exchanges, \
         errors = errors + excluded.errors{added}"
    );
    connection.batch_execute(&format!(
        "{into}, sum(h.{COUNTED}), count(DISTINCT h.exchange_id), 0{sums} FROM {messages} {add}; \
         {into}, 0, 0, count(*){zeros} FROM {errors} {add}"
    ))
}

/// The span of the conversations that a day touched.
#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Nullable<Text>)]
    first_day: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    last_day: Option<String>,
}

/// Counts the conversations that this day touched again, over all their closed days.
fn count_messages(connection: &mut SqliteConnection, mode: Mode, day: Day) -> QueryResult<()> {
    let rows = rows_of(mode, &mode.table(MESSAGES, day), day);
    connection.batch_execute(&format!(
        "CREATE TEMP TABLE IF NOT EXISTS touched \
         (id BLOB PRIMARY KEY, first_day TEXT, last_day TEXT, messages INTEGER NOT NULL DEFAULT 0); \
         DELETE FROM touched; \
         INSERT INTO touched (id, first_day, last_day) \
         SELECT id, first_day, last_day FROM conversations \
         WHERE id IN (SELECT DISTINCT h.conversation_id FROM {rows}); \
         CREATE INDEX IF NOT EXISTS temp.touched_first ON touched (first_day)"
    ))?;
    let span: Span =
        sql_query("SELECT min(first_day) AS first_day, max(last_day) AS last_day FROM touched")
            .get_result(connection)?;
    let day_of = |text: Option<String>| text.as_deref().and_then(Day::parse);
    if let (Some(first), Some(last)) = (day_of(span.first_day), day_of(span.last_day)) {
        for closed in closed_between(connection, first, last)? {
            add_day(connection, mode, closed)?;
        }
    }
    connection.batch_execute(
        "UPDATE conversations SET message_count = \
         (SELECT messages FROM touched WHERE touched.id = conversations.id) \
         WHERE id IN (SELECT id FROM touched); \
         DROP TABLE touched",
    )
}

/// Subtracts what a closed day added.
fn uncount_messages(connection: &mut SqliteConnection, mode: Mode, day: Day) -> QueryResult<()> {
    let rows = rows_of(mode, &mode.table(MESSAGES, day), day);
    let table = mode.table(MESSAGES, day);
    let (start, end) = (day.start_ms(), day.end_ms());
    connection.batch_execute(&format!(
        "UPDATE conversations SET message_count = max(0, message_count - \
         (SELECT count(*) FROM {table} AS h WHERE h.conversation_id = conversations.id \
         AND h.created_at >= {start} AND h.created_at < {end} AND h.{COUNTED})) \
         WHERE id IN (SELECT h.conversation_id FROM {rows})"
    ))
}

fn add_day(connection: &mut SqliteConnection, mode: Mode, day: Day) -> QueryResult<()> {
    let table = mode.table(MESSAGES, day);
    if !tables::exists(connection, &table)? {
        return Ok(());
    }
    let (start, end) = (day.start_ms(), day.end_ms());
    connection.batch_execute(&format!(
        "UPDATE touched SET messages = messages + (SELECT count(*) FROM {table} AS h \
         WHERE h.conversation_id = touched.id AND h.created_at >= {start} \
         AND h.created_at < {end} AND h.{COUNTED}) \
         WHERE first_day <= '{day}' AND last_day >= '{day}'"
    ))
}

fn closed_between(
    connection: &mut SqliteConnection,
    first: Day,
    last: Day,
) -> QueryResult<Vec<Day>> {
    let rows: Vec<TextRow> = sql_query(
        "SELECT day AS value FROM recording_days \
         WHERE closed_at IS NOT NULL AND day BETWEEN ? AND ?",
    )
    .bind::<Text, _>(first.to_string())
    .bind::<Text, _>(last.to_string())
    .load(connection)?;
    Ok(days::parse(&rows))
}
