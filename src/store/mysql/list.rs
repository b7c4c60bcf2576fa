//! Conversations, by id and by name.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Datetime, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days::{self, NumberRow, TextRow},
    decode::ConversationRow,
    error::Answer,
    layout::Mode,
    read::{tables, unless_dropped},
    statement::{Statement, Value},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, UnixMillis, columns},
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

/// The conversation with this id, as it stands.
pub(super) async fn find(
    connection: &mut AsyncMysqlConnection,
    conversation: Id,
) -> Answer<Option<ConversationRow>> {
    const FIND: &str = "SELECT id, tenant, session_id, user_identifier, title, session_source, \
         created_at, message_count, first_day, last_day FROM conversations WHERE id = ?";
    let find = Statement {
        sql: FIND,
        values: &[Value::Bytes(*conversation.as_bytes())],
    };
    let rows: Vec<ConversationRow> = find.load(connection).await?;
    Ok(rows.into_iter().next())
}

/// The days of which a conversation's stored count does not know all.
pub(super) struct Uncounted {
    /// Not closed yet: no count has them.
    open: Vec<Day>,
    /// Closed, and written to since: the counts have a part of them.
    dirty: Vec<Day>,
}

impl Uncounted {
    pub(super) async fn find(connection: &mut AsyncMysqlConnection) -> Answer<Self> {
        Ok(Self {
            open: days_where(connection, "closed_at IS NULL").await?,
            dirty: days_where(connection, "closed_at IS NOT NULL AND dirty <> 0").await?,
        })
    }
}

async fn days_where(connection: &mut AsyncMysqlConnection, condition: &str) -> Answer<Vec<Day>> {
    let rows: Vec<TextRow> = sql_query(format!(
        "SELECT CAST(day AS CHAR) AS value FROM recording_days WHERE {condition}"
    ))
    .load(connection)
    .await?;
    Ok(days::parse(&rows))
}

/// Adds what the stored count does not know, and the time of the newest row where it is not known yet.
pub(super) async fn complete(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    row: ConversationRow,
    uncounted: &Uncounted,
    newest: Option<UnixMillis>,
) -> Answer<Conversation> {
    let within = |day: &&Day| row.first_day <= **day && **day <= row.conversation.last_day;
    let (mut count, days) = if uncounted.dirty.iter().any(|day| within(&day)) {
        let days = days::between(connection, row.first_day, row.conversation.last_day).await?;
        (0, days)
    } else {
        let open = uncounted.open.iter().filter(within).copied();
        (row.conversation.message_count, open.collect())
    };
    for day in days {
        count += count_day(connection, mode, row.conversation.id, day).await?;
    }
    let newest = match newest {
        Some(newest) => Some(newest),
        None => newest_row(connection, mode, &row).await?,
    };
    let mut conversation = row.conversation;
    conversation.message_count = count;
    conversation.updated_at = newest.unwrap_or(conversation.created_at);
    Ok(conversation)
}

async fn count_day(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    day: Day,
) -> Answer<i64> {
    let table = mode.table(MESSAGES, day);
    let counted = columns::COUNTED;
    let count = sql_query(format!(
        "SELECT COUNT(*) AS value FROM {table} \
         WHERE conversation_id = ? AND created_at BETWEEN ? AND ? AND {counted}"
    ))
    .bind::<Binary, _>(conversation.as_bytes().as_slice())
    .bind::<Datetime, _>(Millis(day.start_ms()))
    .bind::<Datetime, _>(Millis(day.end_ms().saturating_sub(1)))
    .get_result::<NumberRow>(connection)
    .await
    .map_err(Into::into);
    let row = unless_dropped(connection, count).await?;
    Ok(row.and_then(|row| row.value).unwrap_or(0))
}

/// One time.
#[derive(QueryableByName)]
struct TimeRow {
    #[diesel(sql_type = Nullable<Datetime>)]
    value: Option<Millis>,
}

/// The time of the newest row of either kind.
async fn newest_row(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    row: &ConversationRow,
) -> Answer<Option<UnixMillis>> {
    let (first, last) = (row.first_day, row.conversation.last_day);
    let messages = tables(connection, mode, MESSAGES, first, last).await?;
    let errors = tables(connection, mode, ERRORS, first, last).await?;
    for day in messages.into_iter().zip(errors) {
        let mut newest = None;
        for table in [day.0, day.1] {
            let time = sql_query(format!(
                "SELECT MAX(created_at) AS value FROM {table} WHERE conversation_id = ?"
            ))
            .bind::<Binary, _>(row.conversation.id.as_bytes().as_slice())
            .get_result::<TimeRow>(connection)
            .await
            .map_err(Into::into);
            let time = unless_dropped(connection, time).await?;
            newest = newest.max(time.and_then(|time| time.value));
        }
        if let Some(Millis(newest)) = newest {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}
