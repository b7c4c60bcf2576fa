//! The tables that hold rows: which there are, how large, made and dropped.

use diesel::{
    connection::SimpleConnection, prelude::*, sql_query, sql_types::Text, sqlite::SqliteConnection,
};

use super::days::{Mode, NumberRow, TextRow};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

/// The table that those of this kind are made from.
pub(super) fn template(prefix: &str) -> String {
    format!("{prefix}_template")
}

/// Whether there is a table of this name.
pub(super) fn exists(connection: &mut SqliteConnection, table: &str) -> QueryResult<bool> {
    sql_query("SELECT count(*) AS value FROM sqlite_master WHERE type = 'table' AND name = ?")
        .bind::<Text, _>(table)
        .get_result::<NumberRow>(connection)
        .map(|row| row.value != Some(0))
}

/// Makes a table of this kind as the template is today.
pub(super) fn make(
    connection: &mut SqliteConnection,
    prefix: &str,
    table: &str,
) -> QueryResult<()> {
    let template = template(prefix);
    let definitions: Vec<TextRow> = sql_query(
        "SELECT sql AS value FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL \
         ORDER BY type DESC, name",
    )
    .bind::<Text, _>(&template)
    .load(connection)?;
    for definition in definitions {
        connection.batch_execute(&definition.value.replace(&template, table))?;
    }
    Ok(())
}

/// The days that have a table of this kind, oldest first.
pub(super) fn days(connection: &mut SqliteConnection, prefix: &str) -> QueryResult<Vec<Day>> {
    let names: Vec<TextRow> = sql_query(
        "SELECT name AS value FROM sqlite_master WHERE type = 'table' AND name GLOB ? ORDER BY name",
    )
    .bind::<Text, _>(format!("{prefix}_????_??_??"))
    .load(connection)?;
    Ok(names
        .iter()
        .filter_map(|row| Day::of_table(prefix, &row.value))
        .collect())
}

/// The tables of this kind with their days, oldest first.
fn all(
    connection: &mut SqliteConnection,
    mode: Mode,
    prefix: &str,
) -> QueryResult<Vec<(String, Option<Day>)>> {
    Ok(match mode {
        Mode::Daily => days(connection, prefix)?
            .into_iter()
            .map(|day| (day.table_name(prefix), Some(day)))
            .collect(),
        Mode::Single => vec![(prefix.to_owned(), None)],
    })
}

/// The names of the tables of this kind, oldest day first; none of a kind that is not ours.
pub(super) fn names(
    connection: &mut SqliteConnection,
    mode: Mode,
    prefix: &str,
) -> QueryResult<Vec<String>> {
    if prefix != MESSAGES && prefix != ERRORS {
        return Ok(Vec::new());
    }
    let tables = all(connection, mode, prefix)?;
    Ok(tables.into_iter().map(|(table, _)| table).collect())
}

/// The tables that hold rows, with their size, messages first, oldest day first.
pub(super) fn partitions(
    connection: &mut SqliteConnection,
    mode: Mode,
) -> QueryResult<Vec<Partition>> {
    sized(connection, mode, partition)
}

/// The same without counting.
pub(super) fn estimates(
    connection: &mut SqliteConnection,
    mode: Mode,
) -> QueryResult<Vec<Partition>> {
    sized(connection, mode, estimate)
}

fn sized(
    connection: &mut SqliteConnection,
    mode: Mode,
    size: fn(&mut SqliteConnection, String, Option<Day>) -> QueryResult<Partition>,
) -> QueryResult<Vec<Partition>> {
    let mut partitions = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        for (table, day) in all(connection, mode, prefix)? {
            partitions.push(size(connection, table, day)?);
        }
    }
    Ok(partitions)
}

/// A table with its size as its ends tell it: rows in order of writing have numbers in order, and only
/// those that were deleted between the first and the last are counted too much. Bytes are not known
/// without reading every page.
fn estimate(
    connection: &mut SqliteConnection,
    table: String,
    day: Option<Day>,
) -> QueryResult<Partition> {
    // Each of the two alone is answered from an end of the table.
    let rows: NumberRow = sql_query(format!(
        "SELECT (SELECT max(rowid) FROM {table}) - (SELECT min(rowid) FROM {table}) + 1 AS value"
    ))
    .get_result(connection)?;
    Ok(Partition {
        bytes: None,
        day: day.map(|day| day.to_string()),
        table,
        rows: rows.value.unwrap_or(0),
    })
}

/// A table with its size.
pub(super) fn partition(
    connection: &mut SqliteConnection,
    table: String,
    day: Option<Day>,
) -> QueryResult<Partition> {
    let rows: NumberRow =
        sql_query(format!("SELECT count(*) AS value FROM {table}")).get_result(connection)?;
    Ok(Partition {
        bytes: bytes(connection, &table),
        day: day.map(|day| day.to_string()),
        table,
        rows: rows.value.unwrap_or(0),
    })
}

/// The size of a table and its indexes; `None` where this SQLite was built without `dbstat`.
fn bytes(connection: &mut SqliteConnection, table: &str) -> Option<i64> {
    sql_query(
        "SELECT sum(pgsize) AS value FROM dbstat WHERE aggregate = TRUE AND name IN \
         (SELECT name FROM sqlite_master WHERE tbl_name = ?)",
    )
    .bind::<Text, _>(table)
    .get_result::<NumberRow>(connection)
    .ok()?
    .value
}
