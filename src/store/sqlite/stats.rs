//! What a user said and spent: closed days from `usage_daily`, the others from their rows.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
    sqlite::SqliteConnection,
};

use super::{
    days::{self, Mode, NumberRow, TextRow},
    pages::Owner,
    read::unless_dropped,
    statement::{Statement, Value},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Stats, columns::COUNTED, stats::Usage},
};

/// What tells the days whose rows `usage_daily` does not have, or not all of them.
const UNCOUNTED: &str = "(closed_at IS NULL OR dirty <> 0)";
/// The days whose rows say it all. What `usage_daily` has of an open one is of rows that were dropped.
const DIRTY: &str = "closed_at IS NOT NULL AND dirty <> 0";

/// What one model was used for on one day.
#[derive(QueryableByName)]
struct UsageRow {
    #[diesel(sql_type = Text)]
    day: String,
    #[diesel(sql_type = Text)]
    model: String,
    #[diesel(sql_type = BigInt)]
    messages: i64,
    #[diesel(sql_type = BigInt)]
    exchanges: i64,
    #[diesel(sql_type = BigInt)]
    errors: i64,
    #[diesel(sql_type = BigInt)]
    prompt_tokens: i64,
    #[diesel(sql_type = BigInt)]
    completion_tokens: i64,
    #[diesel(sql_type = BigInt)]
    total_tokens: i64,
}

/// The sums from one day to the other, both included.
pub(super) fn stats(
    connection: &mut SqliteConnection,
    mode: Mode,
    owner: Owner<'_>,
    first: Day,
    last: Day,
) -> QueryResult<Stats> {
    let mut stats = Stats {
        total_conversations: conversations(connection, owner, first, last)?,
        ..Stats::default()
    };
    let mut rows = closed(connection, owner, first, last)?;
    for day in uncounted(connection, first, last)? {
        rows.extend(messages_of(connection, mode, owner, day)?);
        rows.extend(errors_of(connection, mode, owner, day)?);
    }
    for row in rows {
        stats.add(&Usage {
            day: &row.day,
            model: &row.model,
            messages: row.messages,
            exchanges: row.exchanges,
            errors: row.errors,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            total_tokens: row.total_tokens,
        });
    }
    Ok(stats)
}

fn conversations(
    connection: &mut SqliteConnection,
    owner: Owner<'_>,
    first: Day,
    last: Day,
) -> QueryResult<i64> {
    let count = Statement {
        sql: "SELECT count(*) AS value FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day >= ? AND first_day <= ?",
        values: &[
            Value::Text(owner.tenant),
            Value::Text(owner.user),
            Value::Text(&first.to_string()),
            Value::Text(&last.to_string()),
        ],
    };
    let row: NumberRow = count.get_result(connection)?;
    Ok(row.value.unwrap_or(0))
}

fn closed(
    connection: &mut SqliteConnection,
    owner: Owner<'_>,
    first: Day,
    last: Day,
) -> QueryResult<Vec<UsageRow>> {
    let closed = Statement {
        sql: &format!(
            "SELECT day, model_name AS model, messages, exchanges, errors, prompt_tokens, \
             completion_tokens, total_tokens FROM usage_daily \
             WHERE tenant = ? AND user_id = ? AND day BETWEEN ? AND ? AND NOT EXISTS \
             (SELECT 1 FROM recording_days AS d WHERE d.day = usage_daily.day AND {DIRTY})"
        ),
        values: &[
            Value::Text(owner.tenant),
            Value::Text(owner.user),
            Value::Text(&first.to_string()),
            Value::Text(&last.to_string()),
        ],
    };
    closed.load(connection)
}

fn uncounted(connection: &mut SqliteConnection, first: Day, last: Day) -> QueryResult<Vec<Day>> {
    let uncounted = Statement {
        sql: &format!(
            "SELECT day AS value FROM recording_days WHERE day BETWEEN ? AND ? AND {UNCOUNTED}"
        ),
        values: &[
            Value::Text(&first.to_string()),
            Value::Text(&last.to_string()),
        ],
    };
    let rows: Vec<TextRow> = uncounted.load(connection)?;
    Ok(days::parse(&rows))
}

fn messages_of(
    connection: &mut SqliteConnection,
    mode: Mode,
    owner: Owner<'_>,
    day: Day,
) -> QueryResult<Vec<UsageRow>> {
    // total() and the cast stop at the largest number, where sum() would fail.
    let sums = ["prompt_tokens", "completion_tokens", "total_tokens"]
        .map(|column| format!(", CAST(total({column}) AS INTEGER) AS {column}"))
        .concat();
    let sums = format!(
        "sum({COUNTED}) AS messages, count(DISTINCT exchange_id) AS exchanges, 0 AS errors{sums}"
    );
    of_day(connection, owner, day, &mode.table(MESSAGES, day), &sums)
}

fn errors_of(
    connection: &mut SqliteConnection,
    mode: Mode,
    owner: Owner<'_>,
    day: Day,
) -> QueryResult<Vec<UsageRow>> {
    let sums = "0 AS messages, 0 AS exchanges, count(*) AS errors, 0 AS prompt_tokens, \
         0 AS completion_tokens, 0 AS total_tokens";
    of_day(connection, owner, day, &mode.table(ERRORS, day), sums)
}

/// The rows of one user's day, over the index that begins with the user.
fn of_day(
    connection: &mut SqliteConnection,
    owner: Owner<'_>,
    day: Day,
    table: &str,
    sums: &str,
) -> QueryResult<Vec<UsageRow>> {
    let rows = sql_query(format!(
        "SELECT '{day}' AS day, coalesce(model_name, '') AS model, {sums} FROM {table} \
         WHERE user_id = ? AND tenant = ? AND created_at >= ? AND created_at < ? GROUP BY model"
    ))
    .bind::<Text, _>(owner.user)
    .bind::<Text, _>(owner.tenant)
    .bind::<BigInt, _>(day.start_ms())
    .bind::<BigInt, _>(day.end_ms())
    .load(connection);
    Ok(unless_dropped(connection, table, rows)?.unwrap_or_default())
}
