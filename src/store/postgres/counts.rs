//! How many messages conversations have: the stored counts, and what they do not know.

use std::collections::HashMap;

use diesel::{
    pg::data_types::PgDate,
    prelude::*,
    sql_types::{Bool, Date},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    days::within,
    decode::{ById, ConversationRow, PgId, day_of},
    prepared::{Bind, Once, Prepared},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{UnixMillis, columns::COUNTED},
};

const UNCOUNTED: &str = "SELECT day, closed_at IS NOT NULL AS closed FROM recording_days \
     WHERE closed_at IS NULL OR dirty <> 0 ORDER BY day";

/// A day of which the stored counts do not know all.
#[derive(QueryableByName)]
struct UncountedRow {
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = Bool)]
    closed: bool,
}

/// The days of which the stored counts do not know all, in order.
pub(super) struct Uncounted {
    /// Not closed yet: no count has them.
    open: Vec<Day>,
    /// Closed, and written to since: the counts have a part of them.
    dirty: Vec<Day>,
}

impl Uncounted {
    pub(super) async fn find(mut connection: &AsyncPgConnection) -> QueryResult<Self> {
        let days = Prepared {
            sql: UNCOUNTED,
            binds: Vec::new(),
        };
        let days: Vec<UncountedRow> = days.load(&mut connection).await?;
        let (dirty, open): (Vec<_>, Vec<_>) = days.into_iter().partition(|row| row.closed);
        let days = |rows: Vec<UncountedRow>| rows.into_iter().map(|row| day_of(row.day)).collect();
        Ok(Self {
            open: days(open),
            dirty: days(dirty),
        })
    }

    /// Whether the stored counts do not know all of this day.
    pub(super) fn has(&self, day: Day) -> bool {
        self.open.binary_search(&day).is_ok() || self.dirty.binary_search(&day).is_ok()
    }

    /// The time of the newest row of this conversation, where what is stored tells it.
    pub(super) fn newest_of(&self, row: &ConversationRow) -> Option<UnixMillis> {
        row.newest_at
            .filter(|_| !self.has(row.conversation.last_day))
    }

    /// Those from the first to the last of these days.
    pub(super) fn between(mut self, first: Day, last: Day) -> Self {
        let within = |day: &Day| first <= *day && *day <= last;
        self.open.retain(within);
        self.dirty.retain(within);
        self
    }

    pub(super) fn dirty(&self) -> &[Day] {
        &self.dirty
    }

    /// All of them, in order.
    pub(super) fn into_days(self) -> Vec<Day> {
        let mut days = [self.open, self.dirty].concat();
        days.sort_unstable();
        days
    }
}

/// Completes the counts of these conversations: the stored one and the days that are open, or all
/// days of one that was written to after a day of it was closed.
pub(super) async fn complete(
    mut connection: &AsyncPgConnection,
    rows: &mut [ConversationRow],
    uncounted: Uncounted,
) -> QueryResult<()> {
    let Some((first, last)) = span(rows.iter()) else {
        return Ok(());
    };
    let Uncounted { open, dirty } = uncounted.between(first, last);
    let is_dirty = |row: &&mut ConversationRow| {
        let within = |day: &Day| row.first_day <= *day && *day <= row.conversation.last_day;
        dirty.iter().any(within)
    };
    let (mut dirty, mut clean): (Vec<_>, Vec<_>) = rows.iter_mut().partition(is_dirty);
    if let Some((sql, binds)) = counts_of(&clean, &open) {
        let counts = Prepared { sql: &sql, binds };
        add(&mut clean, counts.load(&mut connection).await?);
    }
    let Some((first, last)) = span(dirty.iter().map(|row| &**row)) else {
        return Ok(());
    };
    for row in &mut dirty {
        row.conversation.message_count = 0;
    }
    let days: Vec<Day> = first.through(last).collect();
    if let Some((sql, binds)) = counts_of(&dirty, &days) {
        // There are as many texts as spans of conversations.
        let counts = Once(Prepared { sql: &sql, binds });
        add(&mut dirty, counts.load(&mut connection).await?);
    }
    Ok(())
}

fn span<'a>(rows: impl Iterator<Item = &'a ConversationRow>) -> Option<(Day, Day)> {
    rows.map(|row| (row.first_day, row.conversation.last_day))
        .reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
}

/// Asks how many messages these have on these days; `None` where there is nothing to ask.
fn counts_of(rows: &[&mut ConversationRow], days: &[Day]) -> Option<(String, Vec<Bind>)> {
    if rows.is_empty() || days.is_empty() {
        return None;
    }
    let within = within(days);
    let ids = rows.iter().map(|row| PgId(row.conversation.id)).collect();
    let sql = format!(
        "SELECT conversation_id AS id, count(*) AS value FROM {MESSAGES} AS h \
         WHERE conversation_id = ANY(?) AND {COUNTED} AND {within} GROUP BY conversation_id"
    );
    Some((sql, vec![Bind::Ids(ids)]))
}

fn add(rows: &mut [&mut ConversationRow], counts: Vec<ById>) {
    let counts: HashMap<Id, i64> = counts.into_iter().map(|row| (row.id, row.value)).collect();
    for row in rows {
        let found = counts.get(&row.conversation.id);
        row.conversation.message_count += found.copied().unwrap_or(0);
    }
}
