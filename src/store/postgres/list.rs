//! Conversations, by name and by user.

use std::collections::HashMap;

use diesel::{
    deserialize,
    pg::{
        Pg,
        data_types::{PgDate, PgTimestamp},
    },
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Timestamptz, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    close::within,
    decode::{ConversationRow, PgId, day_of, time},
    read::{as_limit, find},
    time::from_pg,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{
        Conversation, Page, UnixMillis,
        columns::{self, COUNTED},
    },
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

/// How many conversations of a user were last active on a day.
#[derive(QueryableByName)]
struct DayOfUser {
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = BigInt)]
    conversations: i64,
}

/// A user's conversations, last active first.
///
/// The index on `last_day` tells which days the page lies in; only their partitions are read.
pub(super) async fn of_user(
    connection: &mut AsyncPgConnection,
    tenant: &str,
    user: &str,
    limit: usize,
    offset: usize,
) -> QueryResult<Page<Conversation>> {
    let wanted = limit.saturating_add(offset);
    // As many as the page needs and one to tell whether there are more, so the last day's number
    // may be too small, but never for what is asked of it.
    let days: Vec<DayOfUser> = sql_query(
        "SELECT last_day AS day, count(*) AS conversations FROM (SELECT last_day \
         FROM conversations WHERE tenant = $1 AND user_identifier = $2 \
         ORDER BY last_day DESC LIMIT $3) AS newest GROUP BY last_day ORDER BY last_day DESC",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .bind::<BigInt, _>(as_limit(wanted.saturating_add(1)))
    .load(connection)
    .await?;
    let found: i64 = days.iter().map(|day| day.conversations).sum();
    let mut skip = as_limit(offset);
    let mut missing = as_limit(limit);
    let mut rows = Vec::new();
    for DayOfUser { day, conversations } in days {
        if skip >= conversations {
            skip -= conversations;
            continue;
        }
        let taken = missing.min(conversations - skip);
        if taken == 0 {
            break;
        }
        let day = day_of(day);
        rows.extend(active_on(connection, (tenant, user), day, (taken, skip)).await?);
        missing -= taken;
        skip = 0;
    }
    Ok(Page {
        data: complete(connection, rows).await?,
        has_more: found > as_limit(wanted),
    })
}

async fn active_on(
    connection: &mut AsyncPgConnection,
    (tenant, user): (&str, &str),
    day: Day,
    (limit, offset): (i64, i64),
) -> QueryResult<Vec<ConversationRow>> {
    let columns = columns::CONVERSATION;
    let newest = newest_row("conversations.id", "$4", "$5");
    sql_query(format!(
        "SELECT {columns} FROM conversations \
         WHERE tenant = $1 AND user_identifier = $2 AND last_day = $3::date \
         ORDER BY coalesce({newest}, created_at) DESC, id LIMIT $6 OFFSET $7"
    ))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .bind::<Text, _>(day.to_string())
    .bind::<Timestamptz, _>(time(day.start_ms()))
    .bind::<Timestamptz, _>(time(day.end_ms()))
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(offset)
    .load(connection)
    .await
}

/// An expression for the time of a conversation's newest row of either kind: two looks at an index.
fn newest_row(conversation: &str, from: &str, to: &str) -> String {
    let newest = |table: &str| {
        format!(
            "(SELECT max(h.created_at) FROM {table} AS h WHERE h.conversation_id = {conversation} \
             AND h.created_at >= {from} AND h.created_at < {to})"
        )
    };
    format!("greatest({}, {})", newest(MESSAGES), newest(ERRORS))
}

/// Adds what the stored counts do not know, and the times of the newest rows.
async fn complete(
    connection: &mut AsyncPgConnection,
    rows: Vec<ConversationRow>,
) -> QueryResult<Vec<Conversation>> {
    let first = rows.iter().map(|row| row.first_day).min();
    let last = rows.iter().map(|row| row.conversation.last_day).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(Vec::new());
    };
    let mut counts = count(connection, &rows, (first, last)).await?;
    // Nearly always they lie in the last day, and a page of a user has few of those.
    let mut newest = HashMap::new();
    let mut last_days: Vec<Day> = rows.iter().map(|row| row.conversation.last_day).collect();
    last_days.sort_unstable();
    last_days.dedup();
    for day in last_days {
        let ids = rows
            .iter()
            .filter(|row| row.conversation.last_day == day)
            .map(id_of);
        newest.extend(newest_rows(connection, ids.collect(), (day, day)).await?);
    }
    let dropped = rows.iter().map(id_of).filter(|id| !newest.contains_key(id));
    let dropped: Vec<Id> = dropped.collect();
    if !dropped.is_empty() && first < last {
        newest.extend(newest_rows(connection, dropped, (first, last)).await?);
    }
    let complete = |row: ConversationRow| {
        let mut conversation = row.conversation;
        conversation.message_count = counts.remove(&conversation.id).unwrap_or(0);
        if let Some(newest) = newest.remove(&conversation.id) {
            conversation.updated_at = newest;
        }
        conversation
    };
    Ok(rows.into_iter().map(complete).collect())
}

fn id_of(row: &ConversationRow) -> Id {
    row.conversation.id
}

/// A number or a time of a conversation.
struct ById<T> {
    id: Id,
    value: T,
}

impl QueryableByName<Pg> for ById<i64> {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let PgId(id) = NamedRow::get::<Uuid, _>(row, "id")?;
        Ok(Self {
            id,
            value: NamedRow::get::<BigInt, _>(row, "value")?,
        })
    }
}

impl QueryableByName<Pg> for ById<Option<PgTimestamp>> {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let PgId(id) = NamedRow::get::<Uuid, _>(row, "id")?;
        Ok(Self {
            id,
            value: NamedRow::get::<Nullable<Timestamptz>, _>(row, "value")?,
        })
    }
}

/// A day of which the stored counts do not know all.
#[derive(QueryableByName)]
struct Uncounted {
    #[diesel(sql_type = Date)]
    day: PgDate,
    /// Written to since: the counts have a part of it.
    #[diesel(sql_type = Bool)]
    closed: bool,
}

/// The messages of these conversations: the stored count and the days that are not closed, or all
/// days of one that was written to after a day of it was closed.
async fn count(
    connection: &mut AsyncPgConnection,
    rows: &[ConversationRow],
    (first, last): (Day, Day),
) -> QueryResult<HashMap<Id, i64>> {
    let uncounted: Vec<Uncounted> = sql_query(
        "SELECT day, closed_at IS NOT NULL AS closed FROM recording_days \
         WHERE (closed_at IS NULL OR dirty <> 0) AND day BETWEEN $1::date AND $2::date \
         ORDER BY day",
    )
    .bind::<Text, _>(first.to_string())
    .bind::<Text, _>(last.to_string())
    .load(connection)
    .await?;
    let (dirty, open): (Vec<_>, Vec<_>) = uncounted.into_iter().partition(|row| row.closed);
    let [dirty, open] =
        [dirty, open].map(|days| days.iter().map(|row| day_of(row.day)).collect::<Vec<Day>>());
    let is_dirty = |row: &&ConversationRow| {
        let within = |day: &Day| row.first_day <= *day && *day <= row.conversation.last_day;
        dirty.iter().any(within)
    };
    let (dirty_rows, rows): (Vec<_>, Vec<_>) = rows.iter().partition(is_dirty);
    let mut counts: HashMap<Id, i64> = rows
        .iter()
        .map(|row| (row.conversation.id, row.conversation.message_count))
        .collect();
    let all: Vec<Day> = first.through(last).collect();
    for (rows, days) in [(rows, &open), (dirty_rows, &all)] {
        if rows.is_empty() || days.is_empty() {
            continue;
        }
        let within = within(days);
        let ids: Vec<PgId> = rows.into_iter().map(id_of).map(PgId).collect();
        let found: Vec<ById<i64>> = sql_query(format!(
            "SELECT conversation_id AS id, count(*) AS value FROM {MESSAGES} AS h \
             WHERE conversation_id = ANY($1) AND {COUNTED} AND {within} GROUP BY conversation_id"
        ))
        .bind::<Array<Uuid>, _>(ids)
        .load(connection)
        .await?;
        for ById { id, value } in found {
            *counts.entry(id).or_default() += value;
        }
    }
    Ok(counts)
}

async fn newest_rows(
    connection: &mut AsyncPgConnection,
    ids: Vec<Id>,
    (first, last): (Day, Day),
) -> QueryResult<Vec<(Id, UnixMillis)>> {
    let newest = newest_row("c.id", "$2", "$3");
    let rows: Vec<ById<Option<PgTimestamp>>> = sql_query(format!(
        "SELECT c.id, {newest} AS value FROM conversations AS c WHERE c.id = ANY($1)"
    ))
    .bind::<Array<Uuid>, _>(ids.into_iter().map(PgId).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(time(first.start_ms()))
    .bind::<Timestamptz, _>(time(last.end_ms()))
    .load(connection)
    .await?;
    let known = |row: ById<Option<PgTimestamp>>| {
        let PgTimestamp(us) = row.value?;
        Some((row.id, from_pg(us)))
    };
    Ok(rows.into_iter().filter_map(known).collect())
}

/// One day.
#[derive(QueryableByName)]
pub(super) struct DayRow {
    #[diesel(sql_type = Date)]
    pub(super) day: PgDate,
}
