//! Conversations, by name and by user.

use diesel::{
    pg::data_types::{PgDate, PgTimestamp},
    prelude::*,
    sql_types::{BigInt, Date, Nullable, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::try_join;

use super::{
    counts::{self, Uncounted},
    decode::{ConversationRow, ListedRow, PgId, day_of, time},
    prepared::{Bind, Prepared},
    read::{as_limit, find},
    time::from_pg,
};
use crate::{
    id::Id,
    partition::Day,
    store::{Conversation, Page, Place, UnixMillis, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The time of the newest row of a conversation `c` on its last day: two looks at an index. NULL is
/// never the greatest.
const NEWEST: &str = "greatest(\
     (SELECT max(h.created_at) FROM conversation_histories AS h \
     WHERE h.conversation_id = c.id AND h.created_at >= ? AND h.created_at < ?), \
     (SELECT max(h.created_at) FROM error_conversation_histories AS h \
     WHERE h.conversation_id = c.id AND h.created_at >= ? AND h.created_at < ?))";

const DAYS: &str = "SELECT last_day AS day, count(*) AS conversations FROM (\
     SELECT last_day FROM conversations \
     WHERE tenant = ? AND user_identifier = ? AND last_day <= ?::date \
     ORDER BY last_day DESC LIMIT ?) AS newest GROUP BY last_day ORDER BY last_day DESC";

/// A day that conversations were last active on.
#[derive(QueryableByName)]
struct ActiveRow {
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = BigInt)]
    conversations: i64,
}

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
/// The index on `last_day` leads from day to day, no further than the page goes, and only those days'
/// partitions are read: one statement for all of them would take as long to plan as their square.
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
    let enough = limit.saturating_add(1);
    let wanted = enough.saturating_add(offset);
    let mut rows = Vec::new();
    let mut newest = Day::MAX;
    if let Some(place) = after {
        rows = active_on(connection, whose, place.last_day, after, (0, wanted)).await?;
        newest = place.last_day.previous();
    }
    let mut skip = offset.saturating_sub(rows.len());
    rows.drain(..offset.min(rows.len()));
    if rows.len() == enough {
        return Ok(rows);
    }
    let most = skip.saturating_add(enough - rows.len());
    for (day, conversations) in days_before(connection, whose, newest, most).await? {
        if conversations <= skip {
            skip -= conversations;
            continue;
        }
        let missing = enough - rows.len();
        if missing == 0 {
            break;
        }
        rows.extend(active_on(connection, whose, day, None, (skip, missing)).await?);
        skip = 0;
    }
    Ok(rows)
}

/// The last days of so many conversations, from this one back, and how many of them each has.
async fn days_before(
    mut connection: &AsyncPgConnection,
    (tenant, user): (&str, &str),
    newest: Day,
    conversations: usize,
) -> QueryResult<Vec<(Day, usize)>> {
    let days = Prepared {
        sql: DAYS,
        binds: vec![
            Bind::Text(tenant.to_owned()),
            Bind::Text(user.to_owned()),
            Bind::Text(newest.to_string()),
            Bind::Number(as_limit(conversations)),
        ],
    };
    let days: Vec<ActiveRow> = days.load(&mut connection).await?;
    let count = |count: i64| usize::try_from(count).unwrap_or(0);
    let days = days.into_iter();
    Ok(days
        .map(|row| (day_of(row.day), count(row.conversations)))
        .collect())
}

/// The conversations last active on this day, or those of them behind a place.
async fn active_on(
    mut connection: &AsyncPgConnection,
    (tenant, user): (&str, &str),
    day: Day,
    after: Option<Place>,
    (offset, limit): (usize, usize),
) -> QueryResult<Vec<ConversationRow>> {
    let columns = columns::CONVERSATION;
    let mut binds = bounds(day).to_vec();
    binds.extend([tenant, user, &day.to_string()].map(|text| Bind::Text(text.to_owned())));
    let mut behind = "";
    if let Some(place) = after {
        let at = || Bind::Time(time(place.updated_at));
        binds.extend([at(), at(), Bind::Id(PgId(place.id))]);
        behind = "WHERE updated_at < ? OR (updated_at = ? AND id > ?)";
    }
    binds.extend([offset, limit].map(|rows| Bind::Number(as_limit(rows))));
    // Materialized, so that each time is looked up once.
    let active = Prepared {
        sql: &format!(
            "WITH listed AS MATERIALIZED (\
             SELECT c.*, coalesce({NEWEST}, c.created_at) AS updated_at FROM conversations AS c \
             WHERE tenant = ? AND user_identifier = ? AND last_day = ?::date) \
             SELECT {columns}, updated_at FROM listed {behind} \
             ORDER BY updated_at DESC, id OFFSET ? LIMIT ?"
        ),
        binds,
    };
    let rows: Vec<ListedRow> = active.load(&mut connection).await?;
    Ok(rows.into_iter().map(|ListedRow(row)| row).collect())
}

/// What [`NEWEST`] is asked with.
fn bounds(last_day: Day) -> [Bind; 4] {
    let from = || Bind::Time(time(last_day.start_ms()));
    let to = || Bind::Time(time(last_day.end_ms()));
    [from(), to(), from(), to()]
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
    let mut binds = bounds(last_day).to_vec();
    binds.push(Bind::Id(PgId(id)));
    let newest = Prepared {
        sql: &format!("SELECT {NEWEST} AS value FROM conversations AS c WHERE c.id = ?"),
        binds,
    };
    let newest: Option<TimeRow> = newest.get_result(&mut connection).await.optional()?;
    let newest = newest.and_then(|row| row.value);
    Ok(newest.map(|PgTimestamp(us)| from_pg(us)))
}

fn conversations(rows: Vec<ConversationRow>) -> Vec<Conversation> {
    rows.into_iter().map(|row| row.conversation).collect()
}
