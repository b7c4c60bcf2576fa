//! The tables of days.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    error::{Answer, asked},
    lock::Lock,
    views,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

/// Whether a day has tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Daily,
    Single,
}

impl Mode {
    /// The word in `recording_meta`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Single => "single",
        }
    }

    /// The table that holds this day's rows of one kind.
    pub(super) fn table(self, prefix: &str, day: Day) -> String {
        match self {
            Self::Daily => day.table_name(prefix),
            Self::Single => prefix.to_owned(),
        }
    }
}

/// One column of text.
#[derive(QueryableByName)]
pub(super) struct TextRow {
    #[diesel(sql_type = Text)]
    pub(super) value: String,
}

/// One number.
#[derive(QueryableByName)]
pub(super) struct NumberRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) value: Option<i64>,
}

/// Makes the missing tables of these days, and says whether any was missing. MySQL commits around
/// every such statement, so this is never part of a transaction.
pub(super) async fn make(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    days: &[Day],
) -> Answer<bool> {
    if missing(connection, mode, days).await?.is_empty() {
        return Ok(false);
    }
    Lock::Tables.take(connection).await?;
    let made = make_missing(connection, mode, days).await;
    let made = asked(connection, made).await;
    Lock::Tables.release(connection).await?;
    made.map(|()| true)
}

/// The same for whoever holds the lock.
pub(super) async fn make_missing(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    days: &[Day],
) -> Answer<()> {
    let missing = missing(connection, mode, days).await?;
    let mut changed = false;
    for (day, tables) in &missing {
        for (prefix, table) in tables {
            let sql = format!("CREATE TABLE IF NOT EXISTS {table} LIKE {prefix}_template");
            connection.batch_execute(&sql).await?;
            changed = true;
        }
        if mode == Mode::Daily {
            note(connection, *day).await?;
        }
    }
    if changed {
        views::replace(connection, mode).await;
    }
    Ok(())
}

/// Notes that a day may have rows.
pub(super) async fn note(connection: &mut AsyncMysqlConnection, day: Day) -> Answer<()> {
    sql_query("INSERT INTO recording_days (day) VALUES (?) ON DUPLICATE KEY UPDATE day = day")
        .bind::<Text, _>(day.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// The days that lack a table or their row in `recording_days`, with the tables they lack.
async fn missing(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    days: &[Day],
) -> Answer<Vec<(Day, Vec<(&'static str, String)>)>> {
    let names: Vec<String> = days
        .iter()
        .flat_map(|day| [MESSAGES, ERRORS].map(|prefix| format!("'{}'", mode.table(prefix, *day))))
        .collect();
    let dates: Vec<String> = days.iter().map(|day| format!("'{day}'")).collect();
    let rows: Vec<TextRow> = sql_query(format!(
        "SELECT table_name AS value FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name IN ({}) \
         UNION ALL SELECT CAST(day AS CHAR) FROM recording_days WHERE day IN ({})",
        names.join(", "),
        dates.join(", ")
    ))
    .load(connection)
    .await?;
    let is_there = |name: &str| rows.iter().any(|row| row.value == name);
    let lacking = days.iter().map(|day| {
        let tables = [MESSAGES, ERRORS].map(|prefix| (prefix, mode.table(prefix, *day)));
        let tables = tables.into_iter().filter(|(_, table)| !is_there(table));
        (*day, tables.collect::<Vec<_>>())
    });
    Ok(lacking
        .filter(|(day, tables)| {
            !tables.is_empty() || (mode == Mode::Daily && !is_there(&day.to_string()))
        })
        .collect())
}

/// The days that may have rows, oldest first.
pub(super) async fn between(
    connection: &mut AsyncMysqlConnection,
    first: Day,
    last: Day,
) -> Answer<Vec<Day>> {
    let rows: Vec<TextRow> = sql_query(
        "SELECT CAST(day AS CHAR) AS value FROM recording_days WHERE day BETWEEN ? AND ? ORDER BY day",
    )
    .bind::<Text, _>(first.to_string())
    .bind::<Text, _>(last.to_string())
    .load(connection)
    .await?;
    Ok(parse(&rows))
}

/// The days of such rows.
pub(super) fn parse(rows: &[TextRow]) -> Vec<Day> {
    rows.iter()
        .filter_map(|row| Day::parse(&row.value))
        .collect()
}

/// The days that have a table of this kind, oldest first.
pub(super) async fn existing(
    connection: &mut AsyncMysqlConnection,
    prefix: &str,
) -> Answer<Vec<Day>> {
    let names: Vec<TextRow> = sql_query(
        "SELECT table_name AS value FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name LIKE ?",
    )
    .bind::<Text, _>(format!("{prefix}%"))
    .load(connection)
    .await?;
    let mut days: Vec<Day> = names
        .iter()
        .filter_map(|row| Day::of_table(prefix, &row.value))
        .collect();
    days.sort_unstable();
    Ok(days)
}

/// The tables that hold rows, with their size, oldest day first.
pub(super) async fn partitions(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
) -> Answer<Vec<Partition>> {
    let mut partitions = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        let tables: Vec<(String, Option<Day>)> = match mode {
            Mode::Daily => existing(connection, prefix)
                .await?
                .into_iter()
                .map(|day| (day.table_name(prefix), Some(day)))
                .collect(),
            Mode::Single => vec![(prefix.to_owned(), None)],
        };
        for (table, day) in tables {
            // The server's own number of rows is a guess.
            let rows: NumberRow = sql_query(format!("SELECT COUNT(*) AS value FROM {table}"))
                .get_result(connection)
                .await?;
            partitions.push(Partition {
                bytes: bytes(connection, &table).await?,
                day: day.map(|day| day.to_string()),
                table,
                rows: rows.value.unwrap_or(0),
            });
        }
    }
    Ok(partitions)
}

async fn bytes(connection: &mut AsyncMysqlConnection, table: &str) -> Answer<Option<i64>> {
    let row: NumberRow = sql_query(
        "SELECT CAST(MAX(data_length + index_length) AS SIGNED) AS value \
         FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
    )
    .bind::<Text, _>(table)
    .get_result(connection)
    .await?;
    Ok(row.value)
}
