//! The tables of days.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    error::{Answer, Fault, asked},
    layout::{Layout, Mode, Unfinished},
    lock::{Lock, PATIENCE},
    session::{hurry, relax},
    statement::{Statement, Value},
    views,
};
use crate::partition::{Day, ERRORS, MESSAGES};

/// Somebody's long query on a table is not waited for: the table is dropped by the next call.
const DROP_PATIENCE_SECONDS: u32 = 2;

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
pub(super) async fn make(connection: &mut AsyncMysqlConnection, days: &[Day]) -> Answer<bool> {
    let mode = settled_mode(connection).await?;
    if missing(connection, mode, days).await?.is_empty() {
        return Ok(false);
    }
    Lock::Tables.take(connection, PATIENCE).await?;
    let made = make_alone(connection, days).await;
    let made = asked(connection, made).await;
    Lock::Tables.release(connection).await?;
    made
}

/// The mode, where no rows are being moved. It stays the same as long as whoever asks holds the
/// lock of the tables.
async fn settled_mode(connection: &mut AsyncMysqlConnection) -> Answer<Mode> {
    let layout = Layout::read(connection).await?;
    match layout.unfinished {
        Some(Unfinished::Copying) => Err(Fault::Moving),
        _ => Ok(layout.mode),
    }
}

async fn make_alone(connection: &mut AsyncMysqlConnection, days: &[Day]) -> Answer<bool> {
    let mode = settled_mode(connection).await?;
    let mut made = false;
    for (day, tables) in missing(connection, mode, days).await? {
        for (prefix, table) in tables {
            create(connection, prefix, &table).await?;
            made = true;
        }
        note(connection, day).await?;
    }
    if made {
        views::replace(connection, mode, Day::MIN).await;
    }
    Ok(made)
}

/// Makes the two tables of a database whose days have none of their own, for whoever holds the lock.
pub(super) async fn make_single(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    for prefix in [MESSAGES, ERRORS] {
        create(connection, prefix, prefix).await?;
    }
    views::replace(connection, Mode::Single, Day::MIN).await;
    Ok(())
}

/// Makes a table for rows of this kind.
pub(super) async fn create(
    connection: &mut AsyncMysqlConnection,
    prefix: &str,
    table: &str,
) -> Answer<()> {
    let sql = format!("CREATE TABLE IF NOT EXISTS {table} LIKE {prefix}_template");
    Ok(connection.batch_execute(&sql).await?)
}

/// Fails where tables may not be dropped, before anything is changed for the sake of dropping some.
pub(super) async fn show_right_to_drop(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    let nothing = "DROP TABLE IF EXISTS recording_nothing";
    Ok(connection.batch_execute(nothing).await?)
}

/// Drops these tables, where they are there, up to the first that somebody else keeps.
pub(super) async fn drop_tables(
    connection: &mut AsyncMysqlConnection,
    tables: &[String],
) -> Answer<()> {
    hurry(connection, DROP_PATIENCE_SECONDS).await?;
    let dropped = drop_each(connection, tables).await;
    let dropped = asked(connection, dropped).await;
    dropped.and(relax(connection).await)
}

async fn drop_each(connection: &mut AsyncMysqlConnection, tables: &[String]) -> Answer<()> {
    for table in tables {
        let sql = format!("DROP TABLE IF EXISTS {table}");
        connection.batch_execute(&sql).await?;
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
        .filter(|(day, tables)| !tables.is_empty() || !is_there(&day.to_string()))
        .collect())
}

/// The days that may have rows, oldest first.
pub(super) async fn between(
    connection: &mut AsyncMysqlConnection,
    first: Day,
    last: Day,
) -> Answer<Vec<Day>> {
    let days = Statement {
        sql: "SELECT CAST(day AS CHAR) AS value FROM recording_days \
              WHERE day BETWEEN ? AND ? ORDER BY day",
        values: &[
            Value::Text(&first.to_string()),
            Value::Text(&last.to_string()),
        ],
    };
    let rows: Vec<TextRow> = days.load(connection).await?;
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

/// Whether there is such a table.
pub(super) async fn exists(connection: &mut AsyncMysqlConnection, table: &str) -> Answer<bool> {
    let row: NumberRow = sql_query(
        "SELECT COUNT(*) AS value FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name = ?",
    )
    .bind::<Text, _>(table)
    .get_result(connection)
    .await?;
    Ok(row.value != Some(0))
}
