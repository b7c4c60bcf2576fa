//! What the row of a conversation does not say: the messages of its open days, and when it was last
//! active.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Datetime, Nullable},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days::{self, TextRow},
    decode::ConversationRow,
    error::Answer,
    layout::Mode,
    read::{tables, unless_dropped},
    statement::{LONGEST_LIST, Once, Statement, Value, filled, marks},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, UnixMillis, columns::COUNTED},
};

/// A conversation with the time of its newest row, where that is known.
pub(super) struct Listed {
    pub(super) row: ConversationRow,
    pub(super) active_at: Option<UnixMillis>,
}

/// Completes these conversations, with one statement a day for all of them.
pub(super) async fn complete(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    listed: Vec<Listed>,
) -> Answer<Vec<Conversation>> {
    let mut counts = count(connection, mode, &listed).await?;
    let mut conversations = Vec::with_capacity(listed.len());
    for Listed { row, active_at } in listed {
        let active_at = match active_at {
            Some(active_at) => Some(active_at),
            None => newest_row(connection, mode, &row).await?,
        };
        let mut conversation = row.conversation;
        conversation.message_count = counts.remove(&conversation.id).unwrap_or(0);
        conversation.updated_at = active_at.unwrap_or(conversation.created_at);
        conversations.push(conversation);
    }
    Ok(conversations)
}

async fn count(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    listed: &[Listed],
) -> Answer<HashMap<Id, i64>> {
    // Not closed yet: no count has them. Closed, and written to since: the counts have a part of them.
    let open = days_where(connection, "closed_at IS NULL").await?;
    let dirty = days_where(connection, "closed_at IS NOT NULL AND dirty <> 0").await?;
    let mut counts = HashMap::with_capacity(listed.len());
    let mut uncounted: BTreeMap<Day, Vec<Id>> = BTreeMap::new();
    for Listed { row, .. } in listed {
        let (first, last) = (row.first_day, row.conversation.last_day);
        let within = |day: &&Day| first <= **day && **day <= last;
        let (counted, days) = if dirty.iter().any(|day| within(&day)) {
            (0, days::between(connection, first, last).await?)
        } else {
            let open = open.iter().filter(within).copied();
            (row.conversation.message_count, open.collect())
        };
        counts.insert(row.conversation.id, counted);
        for day in days {
            uncounted.entry(day).or_default().push(row.conversation.id);
        }
    }
    for (day, ids) in uncounted {
        for ids in ids.chunks(LONGEST_LIST) {
            for CountRow { id, messages } in count_day(connection, mode, day, ids).await? {
                let id = id.as_slice().try_into().map(Id::from_bytes);
                if let Some(count) = id.ok().and_then(|id| counts.get_mut(&id)) {
                    *count += messages;
                }
            }
        }
    }
    Ok(counts)
}

async fn days_where(connection: &mut AsyncMysqlConnection, condition: &str) -> Answer<Vec<Day>> {
    let rows: Vec<TextRow> = sql_query(format!(
        "SELECT CAST(day AS CHAR) AS value FROM recording_days WHERE {condition}"
    ))
    .load(connection)
    .await?;
    Ok(days::parse(&rows))
}

/// A conversation's messages of one day.
#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    messages: i64,
}

async fn count_day(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    day: Day,
    ids: &[Id],
) -> Answer<Vec<CountRow>> {
    let ids = ids.iter().map(|id| Value::Bytes(*id.as_bytes()));
    let mut values = filled(ids.collect());
    let query = format!(
        "SELECT conversation_id AS id, COUNT(*) AS messages FROM {} \
         WHERE conversation_id IN ({}) AND created_at BETWEEN ? AND ? AND {COUNTED} \
         GROUP BY conversation_id",
        mode.table(MESSAGES, day),
        marks(values.len())
    );
    values.push(Value::Time(Millis(day.start_ms())));
    values.push(Value::Time(Millis(day.end_ms().saturating_sub(1))));
    let counts = Once(Statement {
        sql: &query,
        values: &values,
    });
    let counts = counts.load(connection).await.map_err(Into::into);
    Ok(unless_dropped(connection, counts)
        .await?
        .unwrap_or_default())
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
