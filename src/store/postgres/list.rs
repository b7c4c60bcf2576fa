//! Conversations, by name and by user.

use diesel::{
    pg::data_types::PgTimestamp,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::try_join;

use super::{
    counts::{self, Uncounted},
    days::within,
    decode::{ConversationRow, DayRow, ListedRow, PgId, day_of, time},
    prepared::{Bind, Prepared},
    read::{as_limit, find},
    time::from_pg,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, Place, UnixMillis, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// Two looks at an index. NULL is never the greatest.
const UPDATED_AT: &str = "SELECT greatest(\
     (SELECT max(h.created_at) FROM conversation_histories AS h \
     WHERE h.conversation_id = c.id AND h.created_at >= ? AND h.created_at < ?), \
     (SELECT max(h.created_at) FROM error_conversation_histories AS h \
     WHERE h.conversation_id = c.id AND h.created_at >= ? AND h.created_at < ?)) AS value \
     FROM conversations AS c WHERE c.id = ?";

const DAYS: &str = "SELECT DISTINCT last_day AS day FROM (SELECT last_day FROM conversations \
     WHERE tenant = ? AND user_identifier = ? AND last_day <= ?::date \
     ORDER BY last_day DESC LIMIT ?) AS newest ORDER BY last_day";

#[derive(QueryableByName)]
struct TimeRow {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    value: Option<PgTimestamp>,
}

/// The conversation with this id.
pub(super) async fn conversation(
    connection: &AsyncPgConnection,
    id: Id,
) -> QueryResult<Option<Conversation>> {
    let rows = find(connection, id).await?.into_iter().collect();
    let mut found = complete(connection, rows).await?;
    Ok(found.pop())
}

/// The conversations that bear this session id, oldest first.
pub(super) async fn named(
    mut connection: &AsyncPgConnection,
    tenant: &str,
    session_id: &str,
) -> QueryResult<Vec<Conversation>> {
    let columns = columns::CONVERSATION;
    let named = Prepared {
        sql: &format!(
            "SELECT {columns} FROM conversations WHERE tenant = ? AND session_id = ? \
             ORDER BY created_at, id LIMIT ?"
        ),
        binds: vec![
            Bind::Text(tenant.to_owned()),
            Bind::Text(session_id.to_owned()),
            Bind::Number(MAX_NAMED),
        ],
    };
    let rows = named.load(&mut connection).await?;
    complete(connection, rows).await
}

/// A user's conversations behind a place, last active first.
///
/// The index on `last_day` tells which days the page lies in; only their partitions are read.
pub(super) async fn of_user(
    connection: &AsyncPgConnection,
    (tenant, user): (&str, &str),
    after: Option<Place>,
    offset: usize,
    limit: usize,
) -> QueryResult<Page<Conversation>> {
    let page = page_of(connection, (tenant, user), after, offset, limit);
    let (mut rows, uncounted) = try_join!(page, Uncounted::find(connection))?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    counts::complete(connection, &mut rows, uncounted).await?;
    Ok(Page {
        data: conversations(rows),
        has_more,
    })
}

/// The same, and the conversation behind them where there is one, with the counts of their closed days.
async fn page_of(
    connection: &AsyncPgConnection,
    whose: (&str, &str),
    after: Option<Place>,
    offset: usize,
    limit: usize,
) -> QueryResult<Vec<ConversationRow>> {
    let wanted = limit.saturating_add(offset).saturating_add(1);
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
    Ok(rows)
}

/// The last days of so many conversations, from this one back, in order.
async fn days_before(
    mut connection: &AsyncPgConnection,
    (tenant, user): (&str, &str),
    newest: Day,
    conversations: usize,
) -> QueryResult<Vec<Day>> {
    let days = Prepared {
        sql: DAYS,
        binds: vec![
            Bind::Text(tenant.to_owned()),
            Bind::Text(user.to_owned()),
            Bind::Text(newest.to_string()),
            Bind::Number(as_limit(conversations)),
        ],
    };
    let days: Vec<DayRow> = days.load(&mut connection).await?;
    Ok(days.into_iter().map(|row| day_of(row.day)).collect())
}

/// The conversations last active on these days, or those behind a place on the only one.
async fn active_on(
    mut connection: &AsyncPgConnection,
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
    .load(&mut connection)
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
pub(super) async fn complete(
    connection: &AsyncPgConnection,
    mut rows: Vec<ConversationRow>,
) -> QueryResult<Vec<Conversation>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let update = async {
        for row in &mut rows {
            let newest = updated_at(connection, row).await?;
            row.conversation.updated_at = newest.unwrap_or(row.conversation.created_at);
        }
        Ok(())
    };
    let ((), uncounted) = try_join!(update, Uncounted::find(connection))?;
    counts::complete(connection, &mut rows, uncounted).await?;
    Ok(conversations(rows))
}

/// The time of the newest row of a conversation's last day.
async fn updated_at(
    mut connection: &AsyncPgConnection,
    row: &ConversationRow,
) -> QueryResult<Option<UnixMillis>> {
    let Conversation { id, last_day, .. } = row.conversation;
    let id = || Bind::Id(PgId(id));
    let from = || Bind::Time(time(last_day.start_ms()));
    let to = || Bind::Time(time(last_day.end_ms()));
    let newest = Prepared {
        sql: UPDATED_AT,
        binds: vec![from(), to(), from(), to(), id()],
    };
    let newest: Option<TimeRow> = newest.get_result(&mut connection).await.optional()?;
    let newest = newest.and_then(|row| row.value);
    Ok(newest.map(|PgTimestamp(us)| from_pg(us)))
}

fn conversations(rows: Vec<ConversationRow>) -> Vec<Conversation> {
    rows.into_iter().map(|row| row.conversation).collect()
}
