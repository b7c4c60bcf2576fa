//! A day's rows, read in chunks of conversations: one GROUP BY over a large day does not end on MariaDB.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{error::Answer, layout::Mode};
use crate::{
    partition::{Day, ERRORS},
    store::columns::COUNTED,
};

/// Rows, or conversations of a single table, grouped by one statement: some 100 ms of the server's time.
const CHUNK: i64 = 10_000;

const TOKENS: [&str; 6] = [
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
];

/// The ends of BIGINT.
const MIN: i64 = i64::MIN;
const MAX: i64 = i64::MAX;

/// What becomes of a row of usage that the same is inserted to.
pub(super) fn added(table: &str) -> String {
    let sums = TOKENS.map(|column| {
        format!(
            ", {column} = LEAST(GREATEST(CAST({table}.{column} AS DECIMAL(30)) \
             + VALUES({column}), {MIN}), {MAX})"
        )
    });
    let counts = ["messages", "exchanges", "errors"]
        .map(|column| format!("{column} = {table}.{column} + VALUES({column})"));
    counts.join(", ") + &sums.concat()
}

/// The rows of one kind of a day. In a single table the conversations of the day lead to them by its key.
pub(super) struct Rows {
    day: Day,
    are_errors: bool,
    from: String,
    /// What the chunks are ranges of.
    id: &'static str,
    condition: String,
}

impl Rows {
    pub(super) fn new(mode: Mode, prefix: &str, day: Day) -> Self {
        let table = mode.table(prefix, day);
        let (from, id, condition) = match mode {
            Mode::Daily => (
                format!("{table} AS h"),
                "h.conversation_id",
                "TRUE".to_owned(),
            ),
            Mode::Single => (
                format!(
                    "conversations AS c STRAIGHT_JOIN {table} AS h ON h.conversation_id = c.id \
                     AND h.created_at BETWEEN '{day}' AND '{day} 23:59:59.999'"
                ),
                "c.id",
                format!("c.first_day <= '{day}' AND c.last_day >= '{day}'"),
            ),
        };
        Self {
            day,
            are_errors: prefix == ERRORS,
            from,
            id,
            condition,
        }
    }

    /// One chunk's usage. The sums stop at the largest number, where they would fail for ever.
    fn usage(&self, range: &str) -> String {
        let Self {
            day,
            are_errors,
            from,
            condition,
            ..
        } = self;
        let columns = TOKENS.map(|column| format!(", {column}")).concat();
        let sums = if *are_errors {
            format!("0, 0, COUNT(*){}", ", 0".repeat(TOKENS.len()))
        } else {
            let sums = TOKENS.map(|column| {
                format!(", LEAST(GREATEST(COALESCE(SUM(h.{column}), 0), {MIN}), {MAX})")
            });
            format!(
                "SUM(h.{COUNTED}), COUNT(DISTINCT h.exchange_id), 0{}",
                sums.concat()
            )
        };
        format!(
            "INSERT INTO recording_usage (tenant, user_id, day, model_name, messages, exchanges, \
             errors{columns}) SELECT h.tenant, h.user_id, '{day}', COALESCE(h.model_name, '') AS model, \
             {sums} FROM {from} WHERE {condition} AND {range} \
             GROUP BY h.tenant, h.user_id, model ON DUPLICATE KEY UPDATE {}",
            added("recording_usage")
        )
    }

    fn copy(&self, table: &str, range: &str) -> String {
        let Self {
            from, condition, ..
        } = self;
        format!("INSERT INTO {table} SELECT h.* FROM {from} WHERE {condition} AND {range}")
    }

    fn touched(&self, range: &str) -> String {
        let Self {
            from, condition, ..
        } = self;
        format!(
            "INSERT INTO recording_touched (id, first_day, last_day, newest_at) \
             SELECT t.id, t.first_day, t.last_day, d.newest FROM conversations AS t JOIN \
             (SELECT h.conversation_id AS touched, MAX(h.created_at) AS newest FROM {from} \
             WHERE {condition} AND {range} GROUP BY h.conversation_id) AS d ON d.touched = t.id \
             ON DUPLICATE KEY UPDATE \
             newest_at = GREATEST(recording_touched.newest_at, VALUES(newest_at))"
        )
    }
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

/// Adds these rows to the session's tables of usage and of touched conversations.
pub(super) async fn gather(connection: &mut AsyncMysqlConnection, rows: &Rows) -> Answer<()> {
    each(connection, rows, |range| {
        vec![rows.usage(range), rows.touched(range)]
    })
    .await?;
    Ok(())
}

/// Copies these rows to a table, each chunk in a transaction of its own, and says how many they are.
pub(super) async fn copy(
    connection: &mut AsyncMysqlConnection,
    rows: &Rows,
    table: &str,
) -> Answer<usize> {
    each(connection, rows, |range| vec![rows.copy(table, range)]).await
}

async fn each(
    connection: &mut AsyncMysqlConnection,
    rows: &Rows,
    statements: impl Fn(&str) -> Vec<String>,
) -> Answer<usize> {
    let id = rows.id;
    let mut after: Vec<u8> = Vec::new();
    let mut changed = 0;
    loop {
        let last = last_of_chunk(connection, rows, &after).await?;
        // The one bind that the last chunk has no use for is always true.
        let (range, end) = match &last {
            Some(last) => (format!("{id} > ? AND {id} <= ?"), last.clone()),
            None => (format!("{id} > ? AND ? IS NOT NULL"), Vec::new()),
        };
        for statement in statements(&range) {
            changed += sql_query(statement)
                .bind::<Binary, _>(&after)
                .bind::<Binary, _>(&end)
                .execute(connection)
                .await?;
        }
        match last {
            Some(last) => after = last,
            None => return Ok(changed),
        }
    }
}

async fn last_of_chunk(
    connection: &mut AsyncMysqlConnection,
    rows: &Rows,
    after: &[u8],
) -> Answer<Option<Vec<u8>>> {
    let Rows {
        from,
        id,
        condition,
        ..
    } = rows;
    let found: Vec<IdRow> = sql_query(format!(
        "SELECT {id} AS value FROM {from} WHERE {condition} AND {id} > ? ORDER BY {id} LIMIT 1 OFFSET ?"
    ))
    .bind::<Binary, _>(after)
    .bind::<BigInt, _>(CHUNK)
    .load(connection)
    .await?;
    Ok(found.into_iter().next().map(|row| row.value))
}
