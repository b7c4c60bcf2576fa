//! Conversations, by name and by user.

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    days::Mode,
    decode::ConversationRow,
    read::{Uncounted, as_limit, complete, find, unless_dropped},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The conversation with this id.
pub(super) fn conversation(
    connection: &mut SqliteConnection,
    mode: Mode,
    id: Id,
) -> QueryResult<Option<Conversation>> {
    let Some(row) = find(connection, id)? else {
        return Ok(None);
    };
    let uncounted = Uncounted::find(connection)?;
    complete(connection, mode, row, &uncounted, None).map(Some)
}

/// The conversations that bear this session id, oldest first.
pub(super) fn named(
    connection: &mut SqliteConnection,
    mode: Mode,
    tenant: &str,
    session_id: &str,
) -> QueryResult<Vec<Conversation>> {
    let columns = columns::CONVERSATION;
    let rows: Vec<ConversationRow> = sql_query(format!(
        "SELECT {columns} FROM conversations WHERE tenant = ? AND session_id = ? \
         ORDER BY created_at, id LIMIT ?"
    ))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(session_id)
    .bind::<BigInt, _>(MAX_NAMED)
    .load(connection)?;
    let uncounted = Uncounted::find(connection)?;
    rows.into_iter()
        .map(|row| complete(connection, mode, row, &uncounted, None))
        .collect()
}

/// How many conversations of a user were last active on a day.
#[derive(QueryableByName)]
struct DayOfUser {
    #[diesel(sql_type = Text)]
    day: String,
    #[diesel(sql_type = BigInt)]
    conversations: i64,
}

/// A user's conversations, last active first.
///
/// The index on `last_day` tells which days the page lies in; only their tables are read.
pub(super) fn of_user(
    connection: &mut SqliteConnection,
    mode: Mode,
    tenant: &str,
    user: &str,
    limit: usize,
    offset: usize,
) -> QueryResult<Page<Conversation>> {
    let days: Vec<DayOfUser> = sql_query(
        "SELECT last_day AS day, count(*) AS conversations FROM conversations \
         WHERE tenant = ? AND user_identifier = ? GROUP BY last_day ORDER BY last_day DESC",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .load(connection)?;
    let mut skip = as_limit(offset);
    let mut missing = as_limit(limit);
    let uncounted = Uncounted::find(connection)?;
    let mut data = Vec::new();
    let mut has_more = false;
    for DayOfUser { day, conversations } in days {
        if skip >= conversations {
            skip -= conversations;
            continue;
        }
        let taken = missing.min(conversations - skip);
        has_more = taken < conversations - skip;
        if taken > 0
            && let Some(day) = Day::parse(&day)
        {
            for row in active_on(connection, mode, (tenant, user), day, (taken, skip))? {
                let newest = row.newest;
                data.push(complete(connection, mode, row.row, &uncounted, newest)?);
            }
        }
        missing -= taken;
        skip = 0;
        if has_more {
            break;
        }
    }
    Ok(Page { data, has_more })
}

/// A conversation with the time of its newest row of its last day.
struct ActiveRow {
    row: ConversationRow,
    newest: Option<i64>,
}

impl QueryableByName<Sqlite> for ActiveRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self {
            newest: NamedRow::get::<Nullable<BigInt>, _>(row, "newest")?,
            row: ConversationRow::build(row)?,
        })
    }
}

fn active_on(
    connection: &mut SqliteConnection,
    mode: Mode,
    (tenant, user): (&str, &str),
    day: Day,
    (limit, offset): (i64, i64),
) -> QueryResult<Vec<ActiveRow>> {
    let columns = columns::CONVERSATION;
    let messages = mode.table(MESSAGES, day);
    let errors = mode.table(ERRORS, day);
    let query = |newest: &str| {
        sql_query(format!(
            "SELECT {columns}, {newest} AS newest FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day = ? \
             ORDER BY coalesce(newest, created_at) DESC, id LIMIT ? OFFSET ?"
        ))
        .bind::<Text, _>(tenant)
        .bind::<Text, _>(user)
        .bind::<Text, _>(day.to_string())
        .bind::<BigInt, _>(limit)
        .bind::<BigInt, _>(offset)
    };
    // max() of a NULL and a number is NULL: a conversation may have rows of one kind only.
    let newest = format!(
        "(SELECT max(time) FROM (\
         SELECT max(created_at) AS time FROM {messages} WHERE conversation_id = conversations.id \
         UNION ALL \
         SELECT max(created_at) FROM {errors} WHERE conversation_id = conversations.id))"
    );
    let rows = query(&newest).load(connection);
    match unless_dropped(connection, &messages, rows)? {
        Some(rows) => Ok(rows),
        None => query("NULL").load(connection),
    }
}
