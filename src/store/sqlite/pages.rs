//! Pages of a user's conversations, last active first.
//!
//! The index on `last_day` leads from one day to the day before, no further than a page goes. Of days that are
//! closed and clean the order is stored; the tables of the others are read, and no more.

use std::cmp::Reverse;

use diesel::{prelude::*, sqlite::SqliteConnection};

use super::{
    counts::{Uncounted, complete},
    days::{Mode, NumberRow, TextRow},
    decode::ConversationRow,
    newest::active_on,
    read::{as_limit, find},
    statement::{LIMIT, Statement, Value},
};
use crate::{
    id::Id,
    partition::Day,
    store::{Conversation, Page, Place, columns},
};

/// Whose conversations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) tenant: &'a str,
    pub(super) user: &'a str,
}

impl<'a> Owner<'a> {
    /// The values of a statement about it and a day.
    fn on(self, day: &'a str) -> [Value<'a>; 3] {
        [
            Value::Text(self.tenant),
            Value::Text(self.user),
            Value::Text(day),
        ]
    }
}

/// A user's conversations behind this place.
pub(super) fn of_user(
    connection: &mut SqliteConnection,
    mode: Mode,
    owner: Owner<'_>,
    after: Option<Place>,
    offset: usize,
    limit: usize,
) -> QueryResult<Page<Conversation>> {
    let uncounted = Uncounted::find(connection)?;
    let list = List {
        mode,
        owner,
        uncounted: &uncounted,
    };
    let mut listed = list.behind(connection, after, offset, limit.saturating_add(1))?;
    let has_more = listed.len() > limit;
    listed.truncate(limit);
    let listed = listed.into_iter();
    let data =
        listed.map(|(row, newest)| complete(connection, mode, row, &uncounted, Some(newest)));
    Ok(Page {
        data: data.collect::<QueryResult<_>>()?,
        has_more,
    })
}

/// A conversation, and the time of its newest row.
type Listed = (ConversationRow, i64);

/// A user's conversations.
struct List<'a> {
    mode: Mode,
    owner: Owner<'a>,
    uncounted: &'a Uncounted,
}

impl List<'_> {
    /// So many behind a place and an offset.
    fn behind(
        &self,
        connection: &mut SqliteConnection,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> QueryResult<Vec<Listed>> {
        let newest = after.map_or(Day::MAX, |place| place.last_day);
        if offset > 0 || self.uncounted.has(newest) {
            return self.far_behind(connection, after, offset, limit);
        }
        let stored = self.stored(connection, newest, after, limit)?;
        // What has no time yet stands first on its day, and behind every place.
        let is_unknown =
            |row: &ConversationRow| row.conversation.last_day == newest && row.newest_at.is_none();
        if after.is_some() && stored.iter().any(is_unknown) {
            return self.far_behind(connection, after, 0, limit);
        }
        self.settle(connection, stored)
    }

    /// The same, whatever is stored of the days that these lie in.
    fn far_behind(
        &self,
        connection: &mut SqliteConnection,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> QueryResult<Vec<Listed>> {
        let (mut listed, mut newest) = (Vec::new(), Day::MAX);
        if let Some(place) = after {
            let part = (0, limit.saturating_add(offset));
            listed = self.active_on(connection, place.last_day, after, part)?;
            newest = place.last_day.previous();
        }
        let passed = offset.min(listed.len());
        listed.drain(..passed);
        if passed < offset {
            let Some((day, skip)) = self.pass(connection, newest, offset - passed)? else {
                return Ok(listed);
            };
            listed = self.active_on(connection, day, None, (skip, limit))?;
            newest = day.previous();
        }
        let missing = limit.saturating_sub(listed.len());
        if missing > 0 {
            let stored = self.stored(connection, newest, None, missing)?;
            listed.extend(self.settle(connection, stored)?);
        }
        Ok(listed)
    }

    /// Passes over so many with their last day up to this one, and says on which day that ends, behind
    /// how many of that day; `None` where there are no more.
    fn pass(
        &self,
        connection: &mut SqliteConnection,
        newest: Day,
        mut skip: usize,
    ) -> QueryResult<Option<(Day, usize)>> {
        let mut next = active_day(connection, self.owner, "<=", newest)?;
        while let Some(day) = next {
            let active = count(connection, self.owner, day)?;
            if active > skip {
                return Ok(Some((day, skip)));
            }
            skip -= active;
            next = active_day(connection, self.owner, "<", day)?;
        }
        Ok(None)
    }

    /// So many with their last day up to this one, behind a place on that day, in the order that is stored.
    fn stored(
        &self,
        connection: &mut SqliteConnection,
        newest: Day,
        after: Option<Place>,
        limit: usize,
    ) -> QueryResult<Vec<ConversationRow>> {
        let columns = columns::SQLITE_CONVERSATION;
        let newest = newest.to_string();
        let id = after.map_or(Id::default(), |place| place.id);
        let mut values = Vec::from(self.owner.on(&newest));
        let mut behind = "";
        if let Some(place) = after {
            let at = Value::Number(place.updated_at);
            values.extend([Value::Text(&newest), at, at, Value::Bytes(id.as_bytes())]);
            behind = "AND (last_day < ? OR newest_at IS NULL OR newest_at < ? \
                      OR (newest_at = ? AND id > ?))";
        }
        values.push(Value::Number(as_limit(limit)));
        let stored = Statement {
            sql: &format!(
                "SELECT {columns} FROM conversations \
                 WHERE tenant = ? AND user_identifier = ? AND last_day <= ? {behind} \
                 ORDER BY last_day DESC, active_at DESC NULLS FIRST, id {LIMIT}"
            ),
            values: &values,
        };
        stored.load(connection)
    }

    /// Puts these, with which each of their days begins, in the order of their times.
    fn settle(
        &self,
        connection: &mut SqliteConnection,
        stored: Vec<ConversationRow>,
    ) -> QueryResult<Vec<Listed>> {
        let mut settled = Vec::with_capacity(stored.len());
        let mut stored = stored.into_iter().peekable();
        while let Some(first) = stored.next() {
            let day = first.conversation.last_day;
            let mut of_day = vec![first];
            while let Some(row) = stored.next_if(|row| row.conversation.last_day == day) {
                of_day.push(row);
            }
            let known = of_day.iter().map(|row| self.uncounted.newest_of(row));
            match known.collect::<Option<Vec<i64>>>() {
                Some(times) => settled.extend(of_day.into_iter().zip(times)),
                None => settled.extend(self.active_on(connection, day, None, (0, of_day.len()))?),
            }
        }
        Ok(settled)
    }

    /// The conversations that were last active on this day, or those of them behind a place.
    fn active_on(
        &self,
        connection: &mut SqliteConnection,
        day: Day,
        after: Option<Place>,
        (offset, limit): (usize, usize),
    ) -> QueryResult<Vec<Listed>> {
        let mut active = active_on(connection, self.mode, self.owner, day)?;
        if let Some(place) = after {
            active.retain(|entry| entry.order() > (Reverse(place.updated_at), place.id));
        }
        let mut listed = Vec::new();
        for entry in active.into_iter().skip(offset).take(limit) {
            if let Some(row) = find(connection, entry.id)? {
                listed.push((row, entry.newest));
            }
        }
        Ok(listed)
    }
}

/// The newest day before (`<`), or before or on (`<=`), this one on which one of the user's
/// conversations was last active.
fn active_day(
    connection: &mut SqliteConnection,
    owner: Owner<'_>,
    before: &str,
    day: Day,
) -> QueryResult<Option<Day>> {
    let day = day.to_string();
    let newest = Statement {
        sql: &format!(
            "SELECT last_day AS value FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day {before} ? \
             ORDER BY last_day DESC LIMIT 1"
        ),
        values: &owner.on(&day),
    };
    let row: Option<TextRow> = newest.get_result(connection).optional()?;
    Ok(row.and_then(|row| Day::parse(&row.value)))
}

fn count(connection: &mut SqliteConnection, owner: Owner<'_>, day: Day) -> QueryResult<usize> {
    let day = day.to_string();
    let count = Statement {
        sql: "SELECT count(*) AS value FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day = ?",
        values: &owner.on(&day),
    };
    let row: NumberRow = count.get_result(connection)?;
    Ok(row
        .value
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(0))
}
