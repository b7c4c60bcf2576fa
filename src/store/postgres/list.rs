//! Conversations, by name and by user.

use std::collections::HashMap;

use diesel::{
    pg::data_types::PgTimestamp,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    counts,
    days::within,
    decode::{ById, ConversationRow, DayRow, ListedRow, PgId, day_of, time},
    read::{as_limit, find},
    time::from_pg,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, Place, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The conversation with this id.
pub(super) async fn conversation(
    connection: &mut AsyncPgConnection,
    id: Id,
) -> QueryResult<Option<Conversation>> {
    let rows = find(connection, id).await?.into_iter().collect();
    let mut found = complete(connection, rows).await?;
    Ok(found.pop())
}

/// The conversations that bear this session id, oldest first.
pub(super) async fn named(
    connection: &mut AsyncPgConnection,
    tenant: &str,
    session_id: &str,
) -> QueryResult<Vec<Conversation>> {
    let columns = columns::CONVERSATION;
    let rows: Vec<ConversationRow> = sql_query(format!(
        "SELECT {columns} FROM conversations WHERE tenant = $1 AND session_id = $2 \
         ORDER BY created_at, id LIMIT $3"
    ))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(session_id)
    .bind::<BigInt, _>(MAX_NAMED)
    .load(connection)
    .await?;
    complete(connection, rows).await
}

/// A user's conversations behind a place, last active first.
///
/// The index on `last_day` tells which days the page lies in; only their partitions are read.
pub(super) async fn of_user(
    connection: &mut AsyncPgConnection,
    (tenant, user): (&str, &str),
    after: Option<Place>,
    offset: usize,
    limit: usize,
) -> QueryResult<Page<Conversation>> {
    let wanted = limit.saturating_add(offset).saturating_add(1);
    let whose = (tenant, user);
    let mut rows = Vec::new();
    let mut newest = Day::MAX;
    if let Some(place) = after {
        rows = active_on(connection, whose, &[place.last_day], after, (0, wanted)).await?;
        newest = place.last_day.previous();
    }
    if rows.len() < wanted {
        let passed_over = offset.saturating_sub(rows.len());
        rows.drain(..offset.min(rows.len()));
        let missing = limit.saturating_add(1) - rows.len();
        let most = passed_over.saturating_add(missing);
        let days = days_before(connection, whose, newest, most).await?;
        rows.extend(active_on(connection, whose, &days, None, (passed_over, missing)).await?);
    } else {
        rows.drain(..offset);
    }
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    counts::complete(connection, &mut rows).await?;
    Ok(Page {
        data: conversations(rows),
        has_more,
    })
}

/// The last days of so many conversations, from this one back, in order.
async fn days_before(
    connection: &mut AsyncPgConnection,
    (tenant, user): (&str, &str),
    newest: Day,
    conversations: usize,
) -> QueryResult<Vec<Day>> {
    let days: Vec<DayRow> = sql_query(
        "SELECT DISTINCT last_day AS day FROM (SELECT last_day FROM conversations \
         WHERE tenant = $1 AND user_identifier = $2 AND last_day <= $3::date \
         ORDER BY last_day DESC LIMIT $4) AS newest ORDER BY last_day",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .bind::<Text, _>(newest.to_string())
    .bind::<BigInt, _>(as_limit(conversations))
    .load(connection)
    .await?;
    Ok(days.into_iter().map(|row| day_of(row.day)).collect())
}

/// The conversations last active on these days, or those behind a place on the only one.
async fn active_on(
    connection: &mut AsyncPgConnection,
    (tenant, user): (&str, &str),
    days: &[Day],
    after: Option<Place>,
    (offset, limit): (usize, usize),
) -> QueryResult<Vec<ConversationRow>> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok(Vec::new());
    };
    let columns = columns::CONVERSATION;
    let newest = newest_row(days);
    // Materialized, so that each time is looked up once.
    let rows: Vec<ListedRow> = sql_query(format!(
        "WITH listed AS MATERIALIZED (SELECT c.*, {newest} AS updated_at FROM conversations AS c \
         WHERE tenant = $1 AND user_identifier = $2 AND last_day BETWEEN $3::date AND $4::date) \
         SELECT {columns}, updated_at FROM listed \
         WHERE $5::timestamptz IS NULL OR updated_at < $5 OR (updated_at = $5 AND id > $6) \
         ORDER BY last_day DESC, updated_at DESC, id OFFSET $7 LIMIT $8"
    ))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .bind::<Text, _>(first.to_string())
    .bind::<Text, _>(last.to_string())
    .bind::<Nullable<Timestamptz>, _>(after.map(|place| time(place.updated_at)))
    .bind::<Nullable<Uuid>, _>(after.map(|place| PgId(place.id)))
    .bind::<BigInt, _>(as_limit(offset))
    .bind::<BigInt, _>(as_limit(limit))
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|ListedRow(row)| row).collect())
}

/// An expression for the time of the newest row of a conversation `c` whose last day is one of
/// these: two looks at an index.
fn newest_row(last_days: &[Day]) -> String {
    let within = within(last_days);
    let its_own = match last_days {
        [_] => "",
        _ => {
            " AND h.created_at >= c.last_day::timestamptz \
             AND h.created_at < (c.last_day + 1)::timestamptz"
        }
    };
    let newest = |table: &str| {
        format!(
            "(SELECT max(h.created_at) FROM {table} AS h \
             WHERE h.conversation_id = c.id AND {within}{its_own})"
        )
    };
    // NULL is never the greatest.
    let (messages, errors) = (newest(MESSAGES), newest(ERRORS));
    format!("coalesce(greatest({messages}, {errors}), c.created_at)")
}

/// Adds the times of the newest rows, and what the stored counts do not know.
async fn complete(
    connection: &mut AsyncPgConnection,
    mut rows: Vec<ConversationRow>,
) -> QueryResult<Vec<Conversation>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut last_days: Vec<Day> = rows.iter().map(|row| row.conversation.last_day).collect();
    last_days.sort_unstable();
    last_days.dedup();
    let newest = newest_row(&last_days);
    let newest: Vec<ById<PgTimestamp>> = sql_query(format!(
        "SELECT c.id, {newest} AS value FROM conversations AS c WHERE c.id = ANY($1)"
    ))
    .bind::<Array<Uuid>, _>(
        rows.iter()
            .map(|row| PgId(row.conversation.id))
            .collect::<Vec<_>>(),
    )
    .load(connection)
    .await?;
    let newest: HashMap<Id, PgTimestamp> =
        newest.into_iter().map(|row| (row.id, row.value)).collect();
    for row in &mut rows {
        if let Some(PgTimestamp(us)) = newest.get(&row.conversation.id) {
            row.conversation.updated_at = from_pg(*us);
        }
    }
    counts::complete(connection, &mut rows).await?;
    Ok(conversations(rows))
}

fn conversations(rows: Vec<ConversationRow>) -> Vec<Conversation> {
    rows.into_iter().map(|row| row.conversation).collect()
}
