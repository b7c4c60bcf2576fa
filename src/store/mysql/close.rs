//! Closing a day: what is derived from its rows is computed, and computed again where it is dirty.
//!
//! The rows are read in chunks, without a lock, into tables of the session; one short transaction
//! then puts the results in place. A row that comes meanwhile marks the day dirty.

use std::time::Duration;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Date, Datetime, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    chunks::{self, Rows},
    datetime::Millis,
    days::{self, Mode, NumberRow, TextRow},
    error::{Answer, asked},
    lock::Lock,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{UnixMillis, columns::COUNTED},
};

/// Days closed by one call: the rest waits for the next.
const MAX_DAYS: i64 = 7;

const TOUCHED: &str = "DROP TEMPORARY TABLE IF EXISTS recording_touched; \
     CREATE TEMPORARY TABLE recording_touched (id BINARY(16) NOT NULL PRIMARY KEY, \
     first_day DATE NOT NULL, last_day DATE NOT NULL, messages BIGINT NOT NULL DEFAULT 0, \
     KEY first_day (first_day)) ENGINE = InnoDB";
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

/// Closes one day, unless another process has or is closing days.
pub(super) async fn close(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    day: Day,
    now: UnixMillis,
) -> Answer<()> {
    if !Lock::Closing.try_take(connection, Duration::ZERO).await? {
        return Ok(());
    }
    let closed = close_alone(connection, mode, day, now).await;
    let closed = asked(connection, closed).await;
    if closed.is_err() {
        connection.batch_execute("ROLLBACK").await?;
    }
    Lock::Closing.release(connection).await?;
    closed
}

async fn close_alone(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    day: Day,
    now: UnixMillis,
) -> Answer<()> {
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
    let kept = exists(connection, &mode.table(MESSAGES, day)).await?
        && exists(connection, &mode.table(ERRORS, day)).await?;
    if kept {
        connection
            .batch_execute(&format!("{TOUCHED}; {USAGE}"))
            .await?;
        chunks::gather(connection, &Rows::new(mode, MESSAGES, day)).await?;
        chunks::gather(connection, &Rows::new(mode, ERRORS, day)).await?;
        count_messages(connection, mode, day).await?;
    }
    connection.batch_execute("START TRANSACTION").await?;
    sql_query("UPDATE recording_days SET closed_at = ?, dirty = IF(dirty = 2, 0, 1) WHERE day = ?")
        .bind::<Datetime, _>(Millis(now))
        .bind::<Text, _>(day.to_string())
        .execute(connection)
        .await?;
    if kept {
        connection
            .batch_execute(&format!(
                "DELETE FROM usage_daily WHERE day = '{day}'; \
                 INSERT INTO usage_daily SELECT * FROM recording_usage; \
                 UPDATE conversations AS c JOIN recording_touched AS t ON t.id = c.id \
                 SET c.message_count = t.messages WHERE c.message_count <> t.messages"
            ))
            .await?;
    }
    connection.batch_execute("COMMIT").await?;
    connection.batch_execute(FORGET).await?;
    Ok(())
}

async fn exists(connection: &mut AsyncMysqlConnection, table: &str) -> Answer<bool> {
    let row: NumberRow = sql_query(
        "SELECT COUNT(*) AS value FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name = ?",
    )
    .bind::<Text, _>(table)
    .get_result(connection)
    .await?;
    Ok(row.value != Some(0))
}

/// The span of the conversations that a day touched.
#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Nullable<Date>)]
    first_day: Option<Day>,
    #[diesel(sql_type = Nullable<Date>)]
    last_day: Option<Day>,
}

/// Counts the conversations that this day touched again, over all their closed days and this one.
async fn count_messages(connection: &mut AsyncMysqlConnection, mode: Mode, day: Day) -> Answer<()> {
    let span: Span = sql_query(
        "SELECT MIN(first_day) AS first_day, MAX(last_day) AS last_day FROM recording_touched",
    )
    .get_result(connection)
    .await?;
    let (Some(first), Some(last)) = (span.first_day, span.last_day) else {
        return Ok(());
    };
    let closed: Vec<TextRow> = sql_query(
        "SELECT CAST(day AS CHAR) AS value FROM recording_days \
         WHERE day BETWEEN ? AND ? AND (closed_at IS NOT NULL OR day = ?)",
    )
    .bind::<Text, _>(first.to_string())
    .bind::<Text, _>(last.to_string())
    .bind::<Text, _>(day.to_string())
    .load(connection)
    .await?;
    for closed in days::parse(&closed) {
        add_day(connection, mode, closed).await?;
    }
    Ok(())
}

async fn add_day(connection: &mut AsyncMysqlConnection, mode: Mode, day: Day) -> Answer<()> {
    let table = mode.table(MESSAGES, day);
    if !exists(connection, &table).await? {
        return Ok(());
    }
    sql_query(format!(
        "UPDATE recording_touched AS t SET t.messages = t.messages + (SELECT COUNT(*) \
         FROM {table} AS h WHERE h.conversation_id = t.id AND h.created_at BETWEEN ? AND ? \
         AND h.{COUNTED}) WHERE t.first_day <= '{day}' AND t.last_day >= '{day}'"
    ))
    .bind::<Datetime, _>(Millis(day.start_ms()))
    .bind::<Datetime, _>(Millis(day.end_ms().saturating_sub(1)))
    .execute(connection)
    .await?;
    Ok(())
}
