//! The tables that hold rows, by name and by size.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    days::{self, NumberRow},
    error::Answer,
    layout::Mode,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

/// The names of the tables that hold rows of this kind, oldest day first.
pub(super) async fn names(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    prefix: &str,
) -> Answer<Vec<String>> {
    if ![MESSAGES, ERRORS].contains(&prefix) {
        return Ok(Vec::new());
    }
    let tables = tables(connection, mode, prefix).await?;
    Ok(tables.into_iter().map(|(table, _)| table).collect())
}

/// The tables that hold rows, with their size, oldest day first.
pub(super) async fn partitions(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
) -> Answer<Vec<Partition>> {
    let mut partitions = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        for (table, day) in tables(connection, mode, prefix).await? {
            partitions.push(measure(connection, table, day).await?);
        }
    }
    Ok(partitions)
}

/// What the server keeps of a table.
#[derive(QueryableByName)]
struct Estimate {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    rows: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    bytes: Option<i64>,
}

/// The same, as the server keeps count of them by itself.
pub(super) async fn estimates(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
) -> Answer<Vec<Partition>> {
    let estimates: Vec<Estimate> = sql_query(
        // MySQL would answer with what it found a day ago.
        "SELECT /*+ SET_VAR(information_schema_stats_expiry = 0) */ table_name AS `name`, \
         CAST(table_rows AS SIGNED) AS `rows`, \
         CAST(data_length + index_length AS SIGNED) AS `bytes` FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    )
    .load(connection)
    .await?;
    let mut partitions = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        for (table, day) in tables(connection, mode, prefix).await? {
            let estimate = estimates.iter().find(|estimate| estimate.name == table);
            partitions.push(Partition {
                day: day.map(|day| day.to_string()),
                table,
                rows: estimate.and_then(|estimate| estimate.rows).unwrap_or(0),
                bytes: estimate.and_then(|estimate| estimate.bytes),
            });
        }
    }
    Ok(partitions)
}

async fn tables(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    prefix: &str,
) -> Answer<Vec<(String, Option<Day>)>> {
    Ok(match mode {
        Mode::Daily => days::existing(connection, prefix)
            .await?
            .into_iter()
            .map(|day| (day.table_name(prefix), Some(day)))
            .collect(),
        Mode::Single => vec![(prefix.to_owned(), None)],
    })
}

/// A table with its size.
pub(super) async fn measure(
    connection: &mut AsyncMysqlConnection,
    table: String,
    day: Option<Day>,
) -> Answer<Partition> {
    // The server's own number of rows is a guess.
    let rows: NumberRow = sql_query(format!("SELECT COUNT(*) AS value FROM {table}"))
        .get_result(connection)
        .await?;
    Ok(Partition {
        bytes: bytes(connection, &table).await?,
        day: day.map(|day| day.to_string()),
        table,
        rows: rows.value.unwrap_or(0),
    })
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
