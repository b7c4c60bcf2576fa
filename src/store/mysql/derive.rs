//! What is derived of conversations from the rows of a day: their messages, counted over the closed days, and the
//! newest row of those whose last day it is.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Date, Datetime, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    datetime::Millis,
    days::{self, TextRow},
    error::Answer,
    layout::Mode,
};
use crate::{
    partition::{Day, MESSAGES},
    store::columns::COUNTED,
};

/// Conversations that are to be counted again: a table of the session.
pub(super) const TOUCHED: &str = "DROP TEMPORARY TABLE IF EXISTS recording_touched; \
     CREATE TEMPORARY TABLE recording_touched (id BINARY(16) NOT NULL PRIMARY KEY, \
     first_day DATE NOT NULL, last_day DATE NOT NULL, newest_at DATETIME(3), \
     messages BIGINT NOT NULL DEFAULT 0, KEY first_day (first_day)) ENGINE = InnoDB";

/// Puts the new counts in place.
const STORE: &str = "UPDATE conversations AS c JOIN recording_touched AS t ON t.id = c.id \
     SET c.message_count = t.messages WHERE c.message_count <> t.messages";

/// Puts the new counts in place, and the newest rows of those that this was the last day of.
pub(super) fn store(day: Day) -> String {
    format!(
        "UPDATE conversations AS c JOIN recording_touched AS t ON t.id = c.id \
         SET c.message_count = t.messages, \
         c.newest_at = IF(c.last_day = '{day}', t.newest_at, c.newest_at) \
         WHERE c.message_count <> t.messages \
         OR (c.last_day = '{day}' AND NOT (c.newest_at <=> t.newest_at))"
    )
}

/// The span of the conversations that were touched.
#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Nullable<Date>)]
    first_day: Option<Day>,
    #[diesel(sql_type = Nullable<Date>)]
    last_day: Option<Day>,
}

/// Counts the conversations that were touched, over their days from `from` on that are closed, and
/// the one that is being closed.
pub(super) async fn count(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    from: Day,
    closing: Option<Day>,
) -> Answer<()> {
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
    .bind::<Text, _>(first.max(from).to_string())
    .bind::<Text, _>(last.to_string())
    .bind::<Nullable<Text>, _>(closing.map(|day| day.to_string()))
    .load(connection)
    .await?;
    for closed in days::parse(&closed) {
        add_day(connection, mode, closed).await?;
    }
    Ok(())
}

async fn add_day(connection: &mut AsyncMysqlConnection, mode: Mode, day: Day) -> Answer<()> {
    let table = mode.table(MESSAGES, day);
    if !days::exists(connection, &table).await? {
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

/// Counts the conversations that began before `end` again, but for those that ended before `from`,
/// over their days from `from` on.
pub(super) async fn recount(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    end: Day,
    from: Day,
) -> Answer<()> {
    connection.batch_execute(TOUCHED).await?;
    sql_query(
        "INSERT INTO recording_touched (id, first_day, last_day) \
         SELECT id, first_day, last_day FROM conversations \
         WHERE first_day < ? AND last_day >= ? AND message_count > 0",
    )
    .bind::<Text, _>(end.to_string())
    .bind::<Text, _>(from.to_string())
    .execute(connection)
    .await?;
    count(connection, mode, from, None).await?;
    connection.batch_execute(STORE).await?;
    connection
        .batch_execute("DROP TEMPORARY TABLE recording_touched")
        .await?;
    Ok(())
}
