//! What a user said and spent: from `usage_daily` for days that are closed, from rows for the others.

use diesel::{
    pg::data_types::PgDate,
    prelude::*,
    sql_types::{BigInt, Date, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::try_join;

use super::{
    counts::Uncounted,
    days::{NumberRow, within},
    decode::day_of,
    derive::clamped,
    prepared::{Bind, Once, Prepared},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Stats, columns::COUNTED, stats::Usage},
};

/// A connection keeps what it is asked of so many days at the most.
const KEPT_DAYS: usize = 2;

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

const CONVERSATIONS: &str = "SELECT count(*) AS value FROM conversations \
     WHERE tenant = ? AND user_identifier = ? AND last_day >= ?::date AND first_day <= ?::date";

const CLOSED: &str = "SELECT day, model_name, messages, exchanges, errors, prompt_tokens, \
     completion_tokens, total_tokens FROM usage_daily WHERE tenant = ? AND user_id = ? \
     AND day BETWEEN ?::date AND ?::date";

/// What this user said and spent on these days.
pub(super) async fn stats(
    mut connection: &AsyncPgConnection,
    (tenant, user): (&str, &str),
    (first, last): (Day, Day),
) -> QueryResult<Stats> {
    let texts = [tenant, user, &first.to_string(), &last.to_string()];
    let binds = texts.map(|text| Bind::Text(text.to_owned()));
    let conversations = Prepared {
        sql: CONVERSATIONS,
        binds: binds.clone().into(),
    };
    let conversations = conversations.get_result::<NumberRow>(&mut connection);
    let closed = Prepared {
        sql: CLOSED,
        binds: binds.into(),
    };
    let mut closed_days = connection;
    let closed = closed.load::<UsageRow>(&mut closed_days);
    let uncounted = Uncounted::find(connection);
    let (conversations, closed, uncounted) = try_join!(conversations, closed, uncounted)?;
    let uncounted = uncounted.between(first, last);
    // What is stored of a dirty day is not all of it.
    let closed = closed.into_iter();
    let closed: Vec<UsageRow> = closed
        .filter(|row| !uncounted.dirty().contains(&day_of(row.day)))
        .collect();
    let days = uncounted.into_days();
    let rest = of_rows(connection, (tenant, user), &days).await?;
    let mut stats = Stats {
        total_conversations: conversations.value,
        ..Stats::default()
    };
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

/// The same from the rows of these days, which the index on the user leads to.
async fn of_rows(
    mut connection: &AsyncPgConnection,
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
    let rest = format!(
        "SELECT (h.created_at AT TIME ZONE 'UTC')::date AS day, \
         coalesce(model_name, '') AS model_name, count(*) FILTER (WHERE {COUNTED}) AS messages, \
         count(DISTINCT exchange_id) AS exchanges, 0::bigint AS errors, {tokens} \
         FROM {MESSAGES} AS h WHERE user_id = ? AND tenant = ? AND {within} GROUP BY {group} \
         UNION ALL \
         SELECT (h.created_at AT TIME ZONE 'UTC')::date, coalesce(model_name, ''), 0, 0, count(*), \
         0, 0, 0 FROM {ERRORS} AS h WHERE user_id = ? AND tenant = ? AND {within} GROUP BY {group}"
    );
    let whose = [user, tenant, user, tenant].map(|text| Bind::Text(text.to_owned()));
    let rest = Prepared {
        sql: &rest,
        binds: whose.into(),
    };
    // Whoever asks names the days, of which there are many texts.
    match days.len() <= KEPT_DAYS {
        true => rest.load(&mut connection).await,
        false => Once(rest).load(&mut connection).await,
    }
}
