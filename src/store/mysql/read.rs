//! Messages and failed exchanges of a conversation, newest day first, and no more days than needed.

use diesel::{
    QueryableByName,
    deserialize::QueryableByName as Build,
    mysql::Mysql,
    sql_query,
    sql_types::{BigInt, Binary, Datetime, Nullable},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days::{self, Mode, NumberRow, TextRow},
    decode::{ConversationRow, ErrorRow, MessageRow},
    error::{Answer, NO_SUCH_TABLE, asked},
    insert,
    statement::{Statement, Value},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, StoredError, StoredMessage, UnixMillis, columns},
};

/// The latest messages, oldest first.
pub(super) async fn messages(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    limit: usize,
) -> Answer<Page<StoredMessage>> {
    let page = latest::<MessageRow>(connection, mode, conversation, limit, MESSAGES).await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

/// The latest failed exchanges, oldest first.
pub(super) async fn errors(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    limit: usize,
) -> Answer<Page<StoredError>> {
    let page = latest::<ErrorRow>(connection, mode, conversation, limit, ERRORS).await?;
    Ok(Page {
        data: page.data.into_iter().map(|row| row.0).collect(),
        has_more: page.has_more,
    })
}

async fn latest<T: Build<Mysql> + Send + 'static>(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    limit: usize,
    prefix: &str,
) -> Answer<Page<T>> {
    let columns = match prefix {
        ERRORS => &insert::ERROR.sql,
        _ => &insert::MESSAGE.sql,
    };
    let mut rows: Vec<T> = Vec::new();
    if let Some(found) = find(connection, conversation).await? {
        for table in tables(connection, mode, &found, prefix).await? {
            let missing = limit.saturating_add(1).saturating_sub(rows.len());
            if missing == 0 {
                break;
            }
            let query = sql_query(format!(
                "SELECT {columns} FROM {table} WHERE conversation_id = ? \
                 ORDER BY created_at DESC, id DESC LIMIT ?"
            ))
            .bind::<Binary, _>(conversation.as_bytes().as_slice())
            .bind::<BigInt, _>(as_limit(missing));
            let day = query.load(connection).await.map_err(Into::into);
            rows.extend(unless_dropped(connection, day).await?.unwrap_or_default());
        }
    }
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    rows.reverse();
    Ok(Page {
        data: rows,
        has_more,
    })
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

/// The rows of a table that may have been dropped meanwhile: then there are none.
pub(super) async fn unless_dropped<T>(
    connection: &mut AsyncMysqlConnection,
    result: Answer<T>,
) -> Answer<Option<T>> {
    match asked(connection, result).await {
        Ok(rows) => Ok(Some(rows)),
        Err(fault) if fault.is(NO_SUCH_TABLE) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// A number of rows as MySQL counts them.
pub(super) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
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
    let messages = tables(connection, mode, row, MESSAGES).await?;
    let errors = tables(connection, mode, row, ERRORS).await?;
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

/// The tables that may hold rows of this conversation, newest day first.
async fn tables(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    row: &ConversationRow,
    prefix: &str,
) -> Answer<Vec<String>> {
    if mode == Mode::Single {
        return Ok(vec![prefix.to_owned()]);
    }
    let days = days::between(connection, row.first_day, row.conversation.last_day).await?;
    Ok(days
        .iter()
        .rev()
        .map(|day| day.table_name(prefix))
        .collect())
}
