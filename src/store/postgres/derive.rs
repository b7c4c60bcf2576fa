//! What is derived from the rows of a day: the usage of each user, and the counts of conversations.

use diesel::{
    pg::data_types::PgDate,
    prelude::*,
    sql_query,
    sql_types::{Bool, Date, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    days::within,
    decode::{DayRow, day_of},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::columns::COUNTED,
};

/// The tokens that are summed up.
pub(super) const TOKENS: [&str; 6] = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
];

/// What is known of a day that may hold rows.
#[derive(QueryableByName)]
pub(super) struct DayState {
    /// It was counted.
    #[diesel(sql_type = Bool)]
    pub(super) closed: bool,
    /// It has rows that are in no count yet.
    #[diesel(sql_type = Bool)]
    pub(super) dirty: bool,
}

/// What is known of this day; `None` where it is no day of ours.
pub(super) async fn day_state(
    connection: &mut AsyncPgConnection,
    day: Day,
) -> QueryResult<Option<DayState>> {
    sql_query(
        "SELECT closed_at IS NOT NULL AS closed, dirty <> 0 AS dirty FROM recording_days \
         WHERE day = $1::date",
    )
    .bind::<Text, _>(day.to_string())
    .get_result(connection)
    .await
    .optional()
}

/// A sum of 64-bit numbers is a numeric: it stops at the largest that fits, and never fails.
pub(super) fn clamped(sum: &str) -> String {
    format!("least(greatest({sum}, {}), {})::bigint", i64::MIN, i64::MAX)
}

/// Computes the usage of a day from its rows.
///
/// The usage of a day that was never closed is what was dropped of it; that stays, and is added to.
pub(super) async fn compute_usage(
    connection: &mut AsyncPgConnection,
    day: Day,
    state: &DayState,
) -> QueryResult<()> {
    if state.closed {
        let forget = format!("DELETE FROM usage_daily WHERE day = '{day}'");
        connection.batch_execute(&forget).await?;
    }
    let within = within(&[day]);
    let columns = [&["messages", "exchanges", "errors"][..], &TOKENS].concat();
    let sums = columns
        .iter()
        .map(|column| clamped(&format!("sum({column})")));
    let sums = sums.collect::<Vec<_>>().join(", ");
    let added = columns.iter().map(|column| {
        let sum = clamped(&format!(
            "usage_daily.{column}::numeric + EXCLUDED.{column}"
        ));
        format!("{column} = {sum}")
    });
    let added = added.collect::<Vec<_>>().join(", ");
    let tokens = TOKENS.map(|column| format!(", coalesce(sum({column}), 0) AS {column}"));
    let tokens = tokens.concat();
    let no_tokens = TOKENS.map(|column| format!(", 0 AS {column}")).concat();
    let group = "tenant, user_id, coalesce(model_name, '')";
    let columns = columns.join(", ");
    connection
        .batch_execute(&format!(
            "INSERT INTO usage_daily (tenant, user_id, day, model_name, {columns}) \
             SELECT tenant, user_id, '{day}'::date, model, {sums} FROM (\
             SELECT tenant, user_id, coalesce(model_name, '') AS model, \
             count(*) FILTER (WHERE {COUNTED}) AS messages, \
             count(DISTINCT exchange_id) AS exchanges, 0 AS errors{tokens} \
             FROM {MESSAGES} AS h WHERE {within} GROUP BY {group} \
             UNION ALL \
             SELECT tenant, user_id, coalesce(model_name, ''), 0, 0, count(*){no_tokens} \
             FROM {ERRORS} AS h WHERE {within} GROUP BY {group}) AS both_kinds \
             GROUP BY tenant, user_id, model \
             ON CONFLICT (tenant, user_id, day, model_name) DO UPDATE SET {added}"
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

/// Counts the conversations that this day touched again, over all their closed days, and notes the newest
/// row of those whose last day it is.
pub(super) async fn count_messages(
    connection: &mut AsyncPgConnection,
    day: Day,
) -> QueryResult<()> {
    let of_day = within(&[day]);
    let touched = format!("SELECT h.conversation_id FROM {MESSAGES} AS h WHERE {of_day}");
    let rows_of = |table: &str, messages: &str| {
        format!(
            "SELECT h.conversation_id, max(h.created_at) AS newest_at, {messages} AS messages \
             FROM {table} AS h WHERE {of_day} GROUP BY h.conversation_id"
        )
    };
    let counted = format!("count(*) FILTER (WHERE {COUNTED})");
    let (messages, errors) = (rows_of(MESSAGES, &counted), rows_of(ERRORS, "0::bigint"));
    connection
        .batch_execute(&format!(
            "UPDATE conversations AS c SET newest_at = n.newest_at, message_count = \
             CASE WHEN c.first_day = c.last_day THEN n.messages ELSE c.message_count END FROM (\
             SELECT conversation_id, max(newest_at) AS newest_at, sum(messages)::bigint AS messages \
             FROM ({messages} UNION ALL {errors}) AS both_kinds GROUP BY conversation_id) AS n \
             WHERE c.id = n.conversation_id AND c.last_day = '{day}' \
             AND (c.newest_at IS DISTINCT FROM n.newest_at \
             OR (c.first_day = c.last_day AND c.message_count <> n.messages))"
        ))
        .await?;
    recount(connection, &touched, &format!("OR day = '{day}'")).await
}

/// Counts those of these conversations that have several days again, over their closed days and
/// those that this condition adds or takes away.
pub(super) async fn recount(
    connection: &mut AsyncPgConnection,
    touched: &str,
    condition: &str,
) -> QueryResult<()> {
    let span: Span = sql_query(format!(
        "SELECT min(first_day) AS first_day, max(last_day) AS last_day FROM conversations \
         WHERE first_day < last_day AND id IN ({touched})"
    ))
    .get_result(connection)
    .await?;
    let (Some(first), Some(last)) = (span.first_day, span.last_day) else {
        return Ok(());
    };
    let closed: Vec<DayRow> = sql_query(format!(
        "SELECT day FROM recording_days WHERE day BETWEEN $1 AND $2 \
         AND (closed_at IS NOT NULL {condition}) ORDER BY day",
    ))
    .bind::<Date, _>(first)
    .bind::<Date, _>(last)
    .load(connection)
    .await?;
    let closed: Vec<Day> = closed.into_iter().map(|row| day_of(row.day)).collect();
    let sql = if closed.is_empty() {
        format!(
            "UPDATE conversations SET message_count = 0 \
             WHERE first_day < last_day AND message_count <> 0 AND id IN ({touched})"
        )
    } else {
        let within = within(&closed);
        // Each is led to its own rows by its key; a join may read those of all days.
        format!(
            "UPDATE conversations AS c SET message_count = n.messages FROM (\
             SELECT t.id, (SELECT count(*) FROM {MESSAGES} AS h WHERE h.conversation_id = t.id \
             AND h.created_at >= t.first_day::timestamptz \
             AND h.created_at < (t.last_day + 1)::timestamptz AND {COUNTED} AND {within}) \
             AS messages FROM conversations AS t \
             WHERE t.first_day < t.last_day AND t.id IN ({touched}) OFFSET 0) AS n \
             WHERE c.id = n.id AND c.message_count <> n.messages"
        )
    };
    connection.batch_execute(&sql).await
}
