//! From tables of days to single tables and back, in one transaction.

use diesel::{
    connection::SimpleConnection, prelude::*, sql_query, sql_types::Text, sqlite::SqliteConnection,
};

use super::{
    days::{self, Mode, TextRow},
    meta, tables, views,
};
use crate::partition::{Day, ERRORS, MESSAGES};

/// Moves every row where it belongs in this mode, inside the caller's immediate transaction.
pub(super) fn switch(connection: &mut SqliteConnection, from: Mode, to: Mode) -> QueryResult<()> {
    if from == to {
        return Ok(());
    }
    connection.batch_execute("DROP VIEW IF EXISTS conversation_messages")?;
    for prefix in [MESSAGES, ERRORS] {
        match to {
            Mode::Single => gather(connection, prefix)?,
            Mode::Daily => spread(connection, prefix)?,
        }
    }
    // Whatever was to be swept stayed behind.
    meta::end_sweeping(connection, Day::MAX)?;
    meta::set_mode(connection, to)?;
    views::replace(connection, to)
}

/// The rows of all days into one table.
fn gather(connection: &mut SqliteConnection, prefix: &str) -> QueryResult<()> {
    connection.batch_execute(&format!("DROP VIEW IF EXISTS {prefix}"))?;
    tables::make(connection, prefix, prefix)?;
    for day in tables::days(connection, prefix)? {
        let table = day.table_name(prefix);
        days::note(connection, day)?;
        copy(connection, &table, prefix, "TRUE")?;
        connection.batch_execute(&format!("DROP TABLE {table}"))?;
    }
    Ok(())
}

/// The rows of one table into those of their days. What is left of dropped days stays behind.
fn spread(connection: &mut SqliteConnection, prefix: &str) -> QueryResult<()> {
    let swept = meta::sweeping(connection)?.map_or(i64::MIN, Day::end_ms);
    connection.batch_execute(&format!(
        "CREATE INDEX {prefix}_time ON {prefix} (created_at)"
    ))?;
    for day in days::between(connection, Day::MIN, Day::MAX)? {
        let table = day.table_name(prefix);
        if !tables::exists(connection, &table)? {
            tables::make(connection, prefix, &table)?;
        }
        let (start, end) = (day.start_ms().max(swept), day.end_ms());
        let condition = format!("created_at >= {start} AND created_at < {end}");
        copy(connection, prefix, &table, &condition)?;
    }
    connection.batch_execute(&format!("DROP TABLE {prefix}"))
}

/// Copies by name: a table may be older than the template's last column.
fn copy(
    connection: &mut SqliteConnection,
    from: &str,
    to: &str,
    condition: &str,
) -> QueryResult<()> {
    let names: Vec<TextRow> = sql_query("SELECT name AS value FROM pragma_table_info(?)")
        .bind::<Text, _>(from)
        .load(connection)?;
    let names: Vec<String> = names
        .into_iter()
        .map(|row| format!("\"{}\"", row.value))
        .collect();
    let columns = names.join(", ");
    connection.batch_execute(&format!(
        "INSERT INTO {to} ({columns}) SELECT {columns} FROM {from} WHERE {condition}"
    ))
}
