//! Closing a day: what is derived from its rows is computed, and computed again where it is dirty.
//!
//! The rows are read in chunks, without a lock, into tables of the session; one short transaction
//! then puts the results in place. A row that comes meanwhile marks the day dirty.

use diesel::{
    sql_query,
    sql_types::{BigInt, Datetime, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    chunks::{self, Rows},
    datetime::Millis,
    days::{self, NumberRow, TextRow},
    derive,
    error::{Answer, DEADLOCK, Fault, NO_ACCESS, asked},
    layout::Mode,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::UnixMillis,
};

/// Days closed by one call: the rest waits for the next.
const MAX_DAYS: i64 = 7;
/// How often a day that met batches is counted again before it is left for later.
const ATTEMPTS: usize = 5;

const USAGE: &str = "DROP TEMPORARY TABLE IF EXISTS recording_usage; \
     CREATE TEMPORARY TABLE recording_usage LIKE usage_daily";
const FORGET: &str = "DROP TEMPORARY TABLE IF EXISTS recording_touched, recording_usage";

/// The oldest days that have ended an hour ago and are not closed, or are dirty.
pub(super) async fn due(
    connection: &mut AsyncMysqlConnection,
    now: UnixMillis,
) -> Answer<Vec<Day>> {
    let rows: Vec<TextRow> = sql_query(
        "SELECT CAST(day AS CHAR) AS value FROM recording_days \
         WHERE day <= ? AND (closed_at IS NULL OR dirty <> 0) ORDER BY day LIMIT ?",
    )
    .bind::<Text, _>(Day::newest_closable(now).to_string())
    .bind::<BigInt, _>(MAX_DAYS)
    .load(connection)
    .await?;
    Ok(days::parse(&rows))
}

/// Closes one day that is open or dirty, and begins again where batches are in the way; whoever calls
/// this does the upkeep.
pub(super) async fn close(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    day: Day,
    now: UnixMillis,
) -> Answer<()> {
    let mut attempts = 1;
    loop {
        let closed = close_once(connection, mode, day, now).await;
        match asked(connection, closed).await {
            Err(fault) if fault.is(DEADLOCK) && attempts < ATTEMPTS => {
                connection.batch_execute("ROLLBACK").await?;
                attempts += 1;
            }
            closed => return closed,
        }
    }
}

async fn close_once(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    day: Day,
    now: UnixMillis,
) -> Answer<()> {
    let was_open = is_open(connection, day).await?;
    // 2: whoever writes to the day from now on marks it dirty; whoever has, has committed.
    let begun = sql_query(
        "UPDATE recording_days SET dirty = 2 WHERE day = ? AND (closed_at IS NULL OR dirty <> 0)",
    )
    .bind::<Text, _>(day.to_string())
    .execute(connection)
    .await?;
    if begun == 0 {
        return Ok(());
    }
    // A day that was dropped keeps its usage; its messages are in no count any more.
    let kept = days::exists(connection, &mode.table(MESSAGES, day)).await?
        && days::exists(connection, &mode.table(ERRORS, day)).await?;
    if kept {
        make_tables_of_session(connection).await?;
        chunks::gather(connection, &Rows::new(mode, MESSAGES, day)).await?;
        chunks::gather(connection, &Rows::new(mode, ERRORS, day)).await?;
        derive::count(connection, mode, Day::MIN, Some(day)).await?;
    }
    connection.batch_execute("START TRANSACTION").await?;
    sql_query("UPDATE recording_days SET closed_at = ?, dirty = IF(dirty = 2, 0, 1) WHERE day = ?")
        .bind::<Datetime, _>(Millis(now))
        .bind::<Text, _>(day.to_string())
        .execute(connection)
        .await?;
    if kept {
        if !was_open {
            let sql = format!("DELETE FROM usage_daily WHERE day = '{day}'");
            connection.batch_execute(&sql).await?;
        }
        connection
            .batch_execute(&format!(
                "INSERT INTO usage_daily SELECT * FROM recording_usage \
                 ON DUPLICATE KEY UPDATE {}; {}",
                chunks::added("usage_daily"),
                derive::store(day)
            ))
            .await?;
    }
    connection.batch_execute("COMMIT").await?;
    connection.batch_execute(FORGET).await?;
    Ok(())
}

/// Whether the day was never closed: what `usage_daily` has of it then is of rows that were dropped,
/// and stays.
async fn is_open(connection: &mut AsyncMysqlConnection, day: Day) -> Answer<bool> {
    let row: NumberRow = sql_query(
        "SELECT COUNT(*) AS value FROM recording_days WHERE day = ? AND closed_at IS NULL",
    )
    .bind::<Text, _>(day.to_string())
    .get_result(connection)
    .await?;
    Ok(row.value != Some(0))
}

async fn make_tables_of_session(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    let made = connection
        .batch_execute(&format!("{}; {USAGE}", derive::TOUCHED))
        .await;
    match asked(connection, made.map_err(Into::into)).await {
        // The server names no right in this one.
        Err(Fault::Server(NO_ACCESS, None)) => Err(Fault::Server(
            NO_ACCESS,
            Some("CREATE TEMPORARY TABLES".to_owned()),
        )),
        made => made,
    }
}
