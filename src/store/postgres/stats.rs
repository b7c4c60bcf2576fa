//! What a user said and spent: from `usage_daily` for days that are closed, from rows for the others.

use diesel::{
    pg::data_types::PgDate,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Date, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    counts::uncounted,
    days::{NumberRow, within},
    decode::day_of,
    derive::clamped,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Stats, columns::COUNTED, stats::Usage},
};

/// What a user did on a day with one model.
#[derive(QueryableByName)]
struct UsageRow {
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = Text)]
    model_name: String,
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

/// What this user said and spent on these days.
pub(super) async fn stats(
    connection: &mut AsyncPgConnection,
    (tenant, user): (&str, &str),
    (first, last): (Day, Day),
) -> QueryResult<Stats> {
    let mut stats = Stats {
        total_conversations: conversations(connection, (tenant, user), (first, last)).await?,
        ..Stats::default()
    };
    let (open, dirty) = uncounted(connection, first, last).await?;
    let closed: Vec<UsageRow> = sql_query(
        "SELECT day, model_name, messages, exchanges, errors, prompt_tokens, completion_tokens, \
         total_tokens FROM usage_daily WHERE tenant = $1 AND user_id = $2 \
         AND day BETWEEN $3::date AND $4::date AND day <> ALL($5::date[])",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .bind::<Text, _>(first.to_string())
    .bind::<Text, _>(last.to_string())
    .bind::<Array<Text>, _>(dirty.iter().map(Day::to_string).collect::<Vec<_>>())
    .load(connection)
    .await?;
    let mut days = [open, dirty].concat();
    days.sort_unstable();
    let rest = of_rows(connection, (tenant, user), &days).await?;
    for row in closed.into_iter().chain(rest) {
        stats.add(&Usage {
            day: &day_of(row.day).to_string(),
            model: &row.model_name,
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

async fn conversations(
    connection: &mut AsyncPgConnection,
    (tenant, user): (&str, &str),
    (first, last): (Day, Day),
) -> QueryResult<i64> {
    let count: NumberRow = sql_query(
        "SELECT count(*) AS value FROM conversations WHERE tenant = $1 AND user_identifier = $2 \
         AND last_day >= $3::date AND first_day <= $4::date",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .bind::<Text, _>(first.to_string())
    .bind::<Text, _>(last.to_string())
    .get_result(connection)
    .await?;
    Ok(count.value)
}

/// The same from the rows of these days, which the index on the user leads to.
async fn of_rows(
    connection: &mut AsyncPgConnection,
    (tenant, user): (&str, &str),
    days: &[Day],
) -> QueryResult<Vec<UsageRow>> {
    if days.is_empty() {
        return Ok(Vec::new());
    }
    let within = within(days);
    let tokens = |column: &str| {
        let sum = clamped(&format!("coalesce(sum({column}), 0)"));
        format!("{sum} AS {column}")
    };
    let tokens = ["prompt_tokens", "completion_tokens", "total_tokens"].map(tokens);
    let tokens = tokens.join(", ");
    let group = "(h.created_at AT TIME ZONE 'UTC')::date, coalesce(model_name, '')";
    sql_query(format!(
        "SELECT (h.created_at AT TIME ZONE 'UTC')::date AS day, \
         coalesce(model_name, '') AS model_name, count(*) FILTER (WHERE {COUNTED}) AS messages, \
         count(DISTINCT exchange_id) AS exchanges, 0::bigint AS errors, {tokens} \
         FROM {MESSAGES} AS h WHERE user_id = $1 AND tenant = $2 AND {within} GROUP BY {group} \
         UNION ALL \
         SELECT (h.created_at AT TIME ZONE 'UTC')::date, coalesce(model_name, ''), 0, 0, count(*), \
         0, 0, 0 FROM {ERRORS} AS h WHERE user_id = $1 AND tenant = $2 AND {within} GROUP BY {group}"
    ))
    .bind::<Text, _>(user)
    .bind::<Text, _>(tenant)
    .load(connection)
    .await
}
