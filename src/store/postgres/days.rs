//! The partitions of days.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    mode::{Mode, TextRow},
    session::Session,
    sqlstate::SqlState,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

const BEGIN: &str = concat!("BEGIN; SET LOCAL lock_timeout = '5s'; ", lock!(days));

/// One number.
#[derive(QueryableByName)]
pub(super) struct NumberRow {
    #[diesel(sql_type = BigInt)]
    pub(super) value: i64,
}

/// Makes the missing partitions of these days, and says whether there were any.
pub(super) async fn make(session: &mut Session, days: &[Day]) -> QueryResult<bool> {
    session.forget_state();
    // Where nothing is missing no lock is taken, and no right to create is needed.
    if missing(&session.connection, days).await?.is_empty() {
        return Ok(false);
    }
    session.begin(BEGIN).await?;
    let made = make_missing(&mut session.connection, days).await;
    match session.end(made).await {
        // Somebody made the same tables without our lock; then they are there.
        Err(_) if session.state() == Some(SqlState::DUPLICATE_TABLE) => Ok(false),
        result => result,
    }
}

async fn make_missing(connection: &mut AsyncPgConnection, days: &[Day]) -> QueryResult<bool> {
    let missing = missing(connection, days).await?;
    for (prefix, day) in &missing {
        let table = day.table_name(prefix);
        // A table that an operator detached is attached again, with its rows.
        let create = format!("CREATE TABLE IF NOT EXISTS {table} (LIKE {prefix} INCLUDING ALL)");
        let attach = attach(prefix, &table, *day);
        one_by_one(connection, &[&create, &attach]).await?;
    }
    Ok(!missing.is_empty())
}

/// Citus sends its nodes all that a query holds with each of its commands that change tables.
pub(super) async fn one_by_one(
    connection: &mut AsyncPgConnection,
    commands: &[impl AsRef<str>],
) -> QueryResult<()> {
    for command in commands {
        connection.batch_execute(command.as_ref()).await?;
    }
    Ok(())
}

/// The tables of these days that are not there and ought to be.
async fn missing(
    connection: &AsyncPgConnection,
    days: &[Day],
) -> QueryResult<Vec<(&'static str, Day)>> {
    let mut missing = Vec::new();
    if Mode::of(connection).await? == Mode::Single {
        return Ok(missing);
    }
    for prefix in [MESSAGES, ERRORS] {
        let existing = existing(connection, prefix).await?;
        let days = days.iter().filter(|day| !existing.contains(day));
        missing.extend(days.map(|day| (prefix, *day)));
    }
    Ok(missing)
}

/// A command that makes a table the partition of a day.
pub(super) fn attach(parent: &str, table: &str, day: Day) -> String {
    let (from, to) = bounds(day);
    format!("ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES FROM ({from}) TO ({to})")
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
    mut connection: &AsyncPgConnection,
    prefix: &str,
) -> QueryResult<Vec<Day>> {
    let names: Vec<TextRow> = sql_query(
        "SELECT c.relname::text AS value FROM pg_inherits AS i JOIN pg_class AS c \
         ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1) ORDER BY c.relname",
    )
    .bind::<Text, _>(prefix)
    .load(&mut connection)
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

/// The tables that hold rows of one kind, oldest day first.
pub(super) async fn tables(
    connection: &AsyncPgConnection,
    prefix: &str,
) -> QueryResult<Vec<(String, Option<Day>)>> {
    if Mode::of(connection).await? == Mode::Single {
        return Ok(vec![(prefix.to_owned(), None)]);
    }
    let days = existing(connection, prefix).await?.into_iter();
    Ok(days
        .map(|day| (day.table_name(prefix), Some(day)))
        .collect())
}

/// The tables that hold rows, with their size, oldest day first.
pub(super) async fn partitions(mut connection: &AsyncPgConnection) -> QueryResult<Vec<Partition>> {
    connection
        .batch_execute("SET LOCAL statement_timeout = 0")
        .await?;
    let mut partitions = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        for (table, day) in tables(connection, prefix).await? {
            partitions.push(partition(connection, prefix, table, day).await?);
        }
    }
    Ok(partitions)
}

/// A table, with its size. A partition is counted through its parent, on which rights are given.
pub(super) async fn partition(
    mut connection: &AsyncPgConnection,
    prefix: &str,
    table: String,
    day: Option<Day>,
) -> QueryResult<Partition> {
    let within = day.map_or_else(|| "TRUE".to_owned(), |day| within(&[day]));
    let size: Size = sql_query(format!(
        "SELECT count(*) AS rows, pg_total_relation_size('{table}') AS bytes \
         FROM {prefix} AS h WHERE {within}"
    ))
    .get_result(&mut connection)
    .await?;
    Ok(Partition {
        table,
        day: day.map(|day| day.to_string()),
        rows: size.rows,
        bytes: Some(size.bytes),
    })
}

/// A condition on `h.created_at`: from the first to the last of these days.
///
/// As constants they leave all other partitions out of the plan.
pub(super) fn between(first: Day, last: Day) -> String {
    let from = match first {
        Day::MIN => "-infinity".to_owned(),
        day => format!("{day} 00:00:00+00"),
    };
    let to = match last {
        Day::MAX => "infinity".to_owned(),
        day => format!("{} 00:00:00+00", Day::from_unix_ms(day.end_ms())),
    };
    format!("(h.created_at >= '{from}' AND h.created_at < '{to}')")
}

/// The same: within these days, which are in order. Neighbours become one range.
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
    let ranges = ranges.into_iter().map(|(first, last)| between(first, last));
    let ranges: Vec<String> = ranges.collect();
    format!("({})", ranges.join(" OR "))
}
