//! The partitions of days.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{session::Session, sqlstate::SqlState};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

/// One lock for all processes that make days in this schema. Attaching takes milliseconds, and waits for no insert.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '5s'; \
     SELECT pg_advisory_xact_lock(731058901, current_schema()::regnamespace::oid::int)";

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

    /// The mode of this word.
    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "single" => Self::Single,
            _ => Self::Daily,
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
    #[diesel(sql_type = BigInt)]
    pub(super) value: i64,
}

/// Makes the missing partitions of these days.
pub(super) async fn make(session: &mut Session, mode: Mode, days: &[Day]) -> QueryResult<()> {
    // Where nothing is missing no lock is taken, and no right to create is needed.
    if mode == Mode::Single || missing(&mut session.connection, days).await?.is_empty() {
        return Ok(());
    }
    session.begin(BEGIN).await?;
    let made = make_missing(&mut session.connection, days).await;
    match session.end(made).await {
        // Somebody made the same tables without our lock; then they are there.
        Err(_) if session.state() == Some(SqlState::DUPLICATE_TABLE) => Ok(()),
        result => result,
    }
}

async fn make_missing(connection: &mut AsyncPgConnection, days: &[Day]) -> QueryResult<()> {
    for (prefix, day) in missing(connection, days).await? {
        let table = day.table_name(prefix);
        let (from, to) = bounds(day);
        // A table that an operator detached is attached again, with its rows.
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {table} (LIKE {prefix} INCLUDING ALL); \
             ALTER TABLE {prefix} ATTACH PARTITION {table} FOR VALUES FROM ({from}) TO ({to})"
        );
        connection.batch_execute(&sql).await?;
    }
    Ok(())
}

/// The tables of these days that are not there.
async fn missing(
    connection: &mut AsyncPgConnection,
    days: &[Day],
) -> QueryResult<Vec<(&'static str, Day)>> {
    let mut missing = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        let existing = existing(connection, prefix).await?;
        let days = days.iter().filter(|day| !existing.contains(day));
        missing.extend(days.map(|day| (prefix, *day)));
    }
    Ok(missing)
}

/// The first and the last days hold what lies beyond them too.
fn bounds(day: Day) -> (String, String) {
    let from = match day {
        Day::MIN => "MINVALUE".to_owned(),
        day => format!("'{day} 00:00:00+00'"),
    };
    let to = match day {
        Day::MAX => "MAXVALUE".to_owned(),
        day => format!("'{} 00:00:00+00'", Day::from_unix_ms(day.end_ms())),
    };
    (from, to)
}

/// The days that have a partition of this kind, oldest first.
pub(super) async fn existing(
    connection: &mut AsyncPgConnection,
    prefix: &str,
) -> QueryResult<Vec<Day>> {
    let names: Vec<TextRow> = sql_query(
        "SELECT c.relname::text AS value FROM pg_inherits AS i JOIN pg_class AS c \
         ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1) ORDER BY c.relname",
    )
    .bind::<Text, _>(prefix)
    .load(connection)
    .await?;
    let days = names.iter();
    Ok(days
        .filter_map(|row| Day::of_table(prefix, &row.value))
        .collect())
}

/// Rows and bytes of one table.
#[derive(QueryableByName)]
struct Size {
    #[diesel(sql_type = BigInt)]
    rows: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// The tables that hold rows, with their size, oldest day first.
pub(super) async fn partitions(
    connection: &mut AsyncPgConnection,
    mode: Mode,
) -> QueryResult<Vec<Partition>> {
    connection
        .batch_execute("SET LOCAL statement_timeout = 0")
        .await?;
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
            let size: Size = sql_query(format!(
                "SELECT count(*) AS rows, pg_total_relation_size('{table}') AS bytes FROM {table}"
            ))
            .get_result(connection)
            .await?;
            partitions.push(Partition {
                table,
                day: day.map(|day| day.to_string()),
                rows: size.rows,
                bytes: Some(size.bytes),
            });
        }
    }
    Ok(partitions)
}
