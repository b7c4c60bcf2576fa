//! What the row of a conversation does not say: the messages of days that are not closed, or written to since.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary, Bool, Text},
    sqlite::SqliteConnection,
};

use super::{
    days::{self, Mode, NumberRow},
    decode::ConversationRow,
    newest::newest_row,
    read::unless_dropped,
    statement::Statement,
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{Conversation, columns},
};

/// The days of which what is stored with a conversation does not know all.
pub(super) struct Uncounted {
    /// Not closed yet: no count has them.
    open: Vec<Day>,
    /// Closed, and written to since: the counts have a part of them.
    dirty: Vec<Day>,
}

impl Uncounted {
    pub(super) fn find(connection: &mut SqliteConnection) -> QueryResult<Self> {
        let days = Statement {
            sql: "SELECT day, closed_at IS NOT NULL AS closed FROM recording_days \
                 WHERE closed_at IS NULL OR dirty <> 0",
            values: &[],
        };
        let days: Vec<UncountedRow> = days.load(connection)?;
        let (dirty, open): (Vec<_>, Vec<_>) = days.into_iter().partition(|row| row.closed);
        let days = |rows: Vec<UncountedRow>| {
            let days = rows.iter().filter_map(|row| Day::parse(&row.day));
            days.collect()
        };
        Ok(Self {
            open: days(open),
            dirty: days(dirty),
        })
    }

    pub(super) fn has(&self, day: Day) -> bool {
        self.open.contains(&day) || self.dirty.contains(&day)
    }

    /// The time of the newest row of this conversation, where what is stored tells it.
    pub(super) fn newest_of(&self, row: &ConversationRow) -> Option<i64> {
        row.newest_at
            .filter(|_| !self.has(row.conversation.last_day))
    }
}

/// A day of which the stored counts do not know all.
#[derive(QueryableByName)]
struct UncountedRow {
    #[diesel(sql_type = Text)]
    day: String,
    #[diesel(sql_type = Bool)]
    closed: bool,
}

/// Adds what the stored count does not know, and the time of the newest row where it is not known yet.
pub(super) fn complete(
    connection: &mut SqliteConnection,
    mode: Mode,
    row: ConversationRow,
    uncounted: &Uncounted,
    newest: Option<i64>,
) -> QueryResult<Conversation> {
    let within = |day: &&Day| row.first_day <= **day && **day <= row.conversation.last_day;
    let (mut count, days) = if uncounted.dirty.iter().any(|day| within(&day)) {
        (
            0,
            days::between(connection, row.first_day, row.conversation.last_day)?,
        )
    } else {
        let open = uncounted.open.iter().filter(within).copied();
        (row.conversation.message_count, open.collect())
    };
    for day in days {
        count += count_day(connection, mode, row.conversation.id, day)?;
    }
    let newest = match newest.or_else(|| uncounted.newest_of(&row)) {
        Some(newest) => Some(newest),
        None => newest_row(connection, mode, &row)?,
    };
    let mut conversation = row.conversation;
    conversation.message_count = count;
    conversation.updated_at = newest.unwrap_or(conversation.created_at);
    Ok(conversation)
}

fn count_day(
    connection: &mut SqliteConnection,
    mode: Mode,
    conversation: Id,
    day: Day,
) -> QueryResult<i64> {
    let table = mode.table(MESSAGES, day);
    let counted = columns::COUNTED;
    let count = sql_query(format!(
        "SELECT count(*) AS value FROM {table} \
         WHERE conversation_id = ? AND created_at >= ? AND created_at < ? AND {counted}"
    ))
    .bind::<Binary, _>(conversation.as_bytes().as_slice())
    .bind::<BigInt, _>(day.start_ms())
    .bind::<BigInt, _>(day.end_ms())
    .get_result::<NumberRow>(connection);
    let row = unless_dropped(connection, &table, count)?;
    Ok(row.and_then(|row| row.value).unwrap_or(0))
}
