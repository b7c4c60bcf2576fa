//! What a user said and spent: the sums of his closed days, and the rows of the others.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    counts::Uncounted,
    datetime::Millis,
    days::NumberRow,
    error::Answer,
    layout::Mode,
    pages::User,
    read::unless_dropped,
    statement::{Statement, Value},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Stats, columns::COUNTED},
};

/// What a user said to one model on one day.
#[derive(QueryableByName)]
struct Usage {
    #[diesel(sql_type = Text)]
    day: String,
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

/// What a user said and spent on these days, both included.
pub(super) async fn stats(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    uncounted: &Uncounted,
    user: User<'_>,
    from: Day,
    to: Day,
) -> Answer<Stats> {
    let dates = (from.to_string(), to.to_string());
    let range = [Value::Text(&dates.0), Value::Text(&dates.1)];
    let conversations = Statement {
        sql: "SELECT COUNT(*) AS value FROM conversations WHERE tenant = ? \
              AND user_identifier = ? AND last_day >= ? AND first_day <= ?",
        values: &[
            Value::Text(user.tenant),
            Value::Text(user.name),
            range[0],
            range[1],
        ],
    };
    let conversations: NumberRow = conversations.get_result(connection).await?;
    let mut stats = Stats {
        total_conversations: conversations.value.unwrap_or(0),
        ..Stats::default()
    };
    let closed = Statement {
        sql: "SELECT CAST(day AS CHAR) AS day, model_name, messages, exchanges, errors, \
              prompt_tokens, completion_tokens, total_tokens FROM usage_daily \
              WHERE tenant = ? AND user_id = ? AND day BETWEEN ? AND ?",
        values: &[
            Value::Text(user.tenant),
            Value::Text(user.name),
            range[0],
            range[1],
        ],
    };
    for usage in closed.load::<Usage>(connection).await? {
        // The rows of a dirty day say all. What is counted of an open one is of rows that were dropped.
        if !Day::parse(&usage.day).is_some_and(|day| uncounted.is_dirty(day)) {
            add(&mut stats, usage);
        }
    }
    for day in uncounted.between(from, to) {
        for usage in read_day(connection, mode, user, day).await? {
            add(&mut stats, usage);
        }
    }
    Ok(stats)
}

fn add(stats: &mut Stats, usage: Usage) {
    let add = |sum: &mut i64, number: i64| *sum = sum.saturating_add(number);
    add(&mut stats.total_messages, usage.messages);
    add(&mut stats.exchanges, usage.exchanges);
    add(&mut stats.errors, usage.errors);
    add(&mut stats.prompt_tokens, usage.prompt_tokens);
    add(&mut stats.completion_tokens, usage.completion_tokens);
    add(&mut stats.total_tokens, usage.total_tokens);
    if usage.messages == 0 {
        return;
    }
    add(
        stats.daily_message_count.entry(usage.day).or_default(),
        usage.messages,
    );
    if !usage.model_name.is_empty() {
        add(
            stats.models_used.entry(usage.model_name).or_default(),
            usage.messages,
        );
    }
}

/// What `usage_daily` would say of the user's rows of this day.
async fn read_day(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    user: User<'_>,
    day: Day,
) -> Answer<Vec<Usage>> {
    let sum = |column| {
        format!(
            "CAST(LEAST(GREATEST(COALESCE(SUM({column}), 0), {}), {}) AS SIGNED) AS {column}",
            i64::MIN,
            i64::MAX
        )
    };
    let messages = format!(
        "CAST(SUM({COUNTED}) AS SIGNED) AS messages, COUNT(DISTINCT exchange_id) AS exchanges, \
         CAST(0 AS SIGNED) AS errors, {}, {}, {}",
        sum("prompt_tokens"),
        sum("completion_tokens"),
        sum("total_tokens")
    );
    let errors = "CAST(0 AS SIGNED) AS messages, CAST(0 AS SIGNED) AS exchanges, \
         COUNT(*) AS errors, CAST(0 AS SIGNED) AS prompt_tokens, \
         CAST(0 AS SIGNED) AS completion_tokens, CAST(0 AS SIGNED) AS total_tokens";
    let mut usage = Vec::new();
    for (prefix, sums) in [(MESSAGES, messages.as_str()), (ERRORS, errors)] {
        let table = mode.table(prefix, day);
        let usage_of_day = Statement {
            sql: &format!(
                "SELECT CAST(? AS CHAR) AS day, COALESCE(model_name, '') AS model_name, {sums} \
                 FROM {table} FORCE INDEX (user) WHERE user_id = ? \
                 AND created_at BETWEEN ? AND ? AND tenant = ? GROUP BY {table}.model_name"
            ),
            values: &[
                Value::Text(&day.to_string()),
                Value::Text(user.name),
                Value::Time(Millis(day.start_ms())),
                Value::Time(Millis(day.end_ms().saturating_sub(1))),
                Value::Text(user.tenant),
            ],
        };
        let rows = usage_of_day.load_of_day(connection, mode, day).await;
        let rows: Option<Vec<Usage>> = unless_dropped(connection, rows).await?;
        usage.extend(rows.unwrap_or_default());
    }
    Ok(usage)
}
