//! How many messages conversations have: the stored counts, and what they do not know.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Binary},
};
use diesel_async::AsyncMysqlConnection;

use super::{
    datetime::Millis,
    days,
    decode::ConversationRow,
    error::Answer,
    layout::Mode,
    read::unless_dropped,
    recall::id,
    statement::{LONGEST_LIST, Statement, Value, filled, marks},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{UnixMillis, columns::COUNTED},
};

/// The days of which the stored counts do not know all.
#[derive(Default)]
pub(super) struct Uncounted {
    /// Not closed yet: no count has them.
    open: Vec<Day>,
    /// Closed, and written to since: the counts have a part of them.
    dirty: Vec<Day>,
}

impl Uncounted {
    pub(super) fn add(&mut self, day: Day, is_closed: bool) {
        match is_closed {
            true => self.dirty.push(day),
            false => self.open.push(day),
        }
    }

    /// Whether the stored counts do not know all of this day.
    pub(super) fn has(&self, day: Day) -> bool {
        self.open.contains(&day) || self.dirty.contains(&day)
    }

    /// Whether the counts have a part of this day, and no more.
    pub(super) fn is_dirty(&self, day: Day) -> bool {
        self.dirty.contains(&day)
    }

    /// Those from the first to the last of these days.
    pub(super) fn between(&self, first: Day, last: Day) -> impl Iterator<Item = Day> {
        let days = self.open.iter().chain(&self.dirty).copied();
        days.filter(move |day| first <= *day && *day <= last)
    }

    /// The time of the newest row of this conversation, where what is stored tells it.
    pub(super) fn newest_of(&self, row: &ConversationRow) -> Option<UnixMillis> {
        row.newest_at
            .filter(|_| !self.has(row.conversation.last_day))
    }
}

/// Completes the counts of these conversations, with one statement a day for all of them: the stored one
/// and the days that are open, or all days of one that was written to after a day of it was closed.
pub(super) async fn complete(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    rows: &mut [ConversationRow],
    uncounted: &Uncounted,
) -> Answer<()> {
    let mut days: BTreeMap<Day, Vec<Id>> = BTreeMap::new();
    for row in &mut *rows {
        let (first, last) = (row.first_day, row.conversation.last_day);
        let within = |day: &&Day| first <= **day && **day <= last;
        let of_row = if uncounted.dirty.iter().any(|day| within(&day)) {
            row.conversation.message_count = 0;
            days::between(connection, first, last).await?
        } else {
            uncounted.open.iter().filter(within).copied().collect()
        };
        for day in of_row {
            days.entry(day).or_default().push(row.conversation.id);
        }
    }
    let mut counts: HashMap<Id, i64> = HashMap::new();
    for (day, ids) in days {
        for ids in ids.chunks(LONGEST_LIST) {
            for count in count_day(connection, mode, day, ids).await? {
                *counts.entry(id(&count.id)).or_default() += count.messages;
            }
        }
    }
    for row in rows {
        let found = counts.get(&row.conversation.id);
        row.conversation.message_count += found.copied().unwrap_or(0);
    }
    Ok(())
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
    let sql = format!(
        "SELECT conversation_id AS id, COUNT(*) AS messages FROM {} \
         WHERE conversation_id IN ({}) AND created_at BETWEEN ? AND ? AND {COUNTED} \
         GROUP BY conversation_id",
        mode.table(MESSAGES, day),
        marks(values.len())
    );
    values.push(Value::Time(Millis(day.start_ms())));
    values.push(Value::Time(Millis(day.end_ms().saturating_sub(1))));
    let counts = Statement {
        sql: &sql,
        values: &values,
    };
    let counts = counts.load_of_day(connection, mode, day).await;
    Ok(unless_dropped(connection, counts)
        .await?
        .unwrap_or_default())
}
