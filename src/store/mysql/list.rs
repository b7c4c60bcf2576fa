//! Conversations, by name and by user.

use diesel::{
    QueryableByName, deserialize,
    deserialize::QueryableByName as Build,
    mysql::Mysql,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Datetime, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days::Mode,
    decode::ConversationRow,
    error::Answer,
    read::{Uncounted, as_limit, complete, find, unless_dropped},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, UnixMillis, columns},
};

/// More users of one session id than anybody chooses from.
const MAX_NAMED: i64 = 100;

/// The conversation with this id.
pub(super) async fn conversation(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    id: Id,
) -> Answer<Option<Conversation>> {
    let Some(row) = find(connection, id).await? else {
        return Ok(None);
    };
    let uncounted = Uncounted::find(connection).await?;
    complete(connection, mode, row, &uncounted, None)
        .await
        .map(Some)
}

/// The conversations that bear this session id, oldest first.
pub(super) async fn named(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    tenant: &str,
    session_id: &str,
) -> Answer<Vec<Conversation>> {
    let columns = columns::CONVERSATION;
    let rows: Vec<ConversationRow> = sql_query(format!(
        "SELECT {columns} FROM conversations WHERE tenant = ? AND session_id = ? \
         ORDER BY created_at, id LIMIT ?"
    ))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(session_id)
    .bind::<BigInt, _>(MAX_NAMED)
    .load(connection)
    .await?;
    let uncounted = Uncounted::find(connection).await?;
    let mut conversations = Vec::with_capacity(rows.len());
    for row in rows {
        conversations.push(complete(connection, mode, row, &uncounted, None).await?);
    }
    Ok(conversations)
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
pub(super) async fn of_user(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    tenant: &str,
    user: &str,
    limit: usize,
    offset: usize,
) -> Answer<Page<Conversation>> {
    let days: Vec<DayOfUser> = sql_query(
        "SELECT CAST(last_day AS CHAR) AS day, COUNT(*) AS conversations FROM conversations \
         WHERE tenant = ? AND user_identifier = ? GROUP BY last_day ORDER BY last_day DESC",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user)
    .load(connection)
    .await?;
    let mut skip = as_limit(offset);
    let mut missing = as_limit(limit);
    let uncounted = Uncounted::find(connection).await?;
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
            let page = (taken, skip);
            for active in active_on(connection, mode, (tenant, user), day, page).await? {
                let ActiveRow { row, newest } = active;
                data.push(complete(connection, mode, row, &uncounted, newest).await?);
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
    newest: Option<UnixMillis>,
}

impl Build<Mysql> for ActiveRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let time = |name| NamedRow::get::<Nullable<Datetime>, Option<Millis>>(row, name);
        let newest = time("newest_message")?.max(time("newest_error")?);
        Ok(Self {
            newest: newest.map(|time| time.0),
            row: ConversationRow::build(row)?,
        })
    }
}

async fn active_on(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    (tenant, user): (&str, &str),
    day: Day,
    (limit, offset): (i64, i64),
) -> Answer<Vec<ActiveRow>> {
    let columns = columns::CONVERSATION;
    let messages = mode.table(MESSAGES, day);
    let errors = mode.table(ERRORS, day);
    let newest = |table: &str| {
        format!(
            "(SELECT MAX(h.created_at) FROM {table} AS h WHERE h.conversation_id = conversations.id)"
        )
    };
    // GREATEST() of a NULL and a time is NULL: a conversation may have rows of one kind only.
    let query = |message: &str, error: &str| {
        sql_query(format!(
            "SELECT {columns}, {message} AS newest_message, {error} AS newest_error \
             FROM conversations WHERE tenant = ? AND user_identifier = ? AND last_day = ? \
             ORDER BY GREATEST(COALESCE(newest_message, newest_error, created_at), \
             COALESCE(newest_error, newest_message, created_at)) DESC, id LIMIT ? OFFSET ?"
        ))
        .bind::<Text, _>(tenant.to_owned())
        .bind::<Text, _>(user.to_owned())
        .bind::<Text, _>(day.to_string())
        .bind::<BigInt, _>(limit)
        .bind::<BigInt, _>(offset)
    };
    let rows = query(&newest(&messages), &newest(&errors))
        .load(connection)
        .await
        .map_err(Into::into);
    match unless_dropped(connection, rows).await? {
        Some(rows) => Ok(rows),
        None => {
            let unknown = "CAST(NULL AS DATETIME(3))";
            Ok(query(unknown, unknown).load(connection).await?)
        }
    }
}
