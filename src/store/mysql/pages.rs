//! Pages of a user's conversations, last active first.
//!
//! The index on `last_day` leads from day to day, no further than a page goes. Of days that are closed and
//! clean the order is stored; the tables of the others are read, and no more. Without being forced to, MariaDB
//! goes there from the user's newest day.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Date},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    counts::{self, Uncounted},
    datetime::Millis,
    decode::ConversationRow,
    error::Answer,
    layout::Mode,
    newest::active_on,
    read::as_limit,
    statement::{Statement, Value},
};
use crate::{
    partition::Day,
    store::{Conversation, Page, Place, columns},
};

const DAYS: &str = "SELECT last_day AS day, COUNT(*) AS conversations FROM (\
     SELECT last_day FROM conversations FORCE INDEX (conversations_user) \
     WHERE tenant = ? AND user_identifier = ? AND last_day <= ? \
     ORDER BY last_day DESC LIMIT ?) AS newest GROUP BY last_day ORDER BY last_day DESC";

/// A day that conversations were last active on.
#[derive(QueryableByName)]
struct ActiveDay {
    #[diesel(sql_type = Date)]
    day: Day,
    #[diesel(sql_type = BigInt)]
    conversations: i64,
}

/// Whose conversations.
#[derive(Clone, Copy)]
pub(super) struct User<'a> {
    pub(super) tenant: &'a str,
    pub(super) name: &'a str,
}

/// Which of them.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) after: Option<Place>,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

/// A user's conversations behind a place.
pub(super) async fn of_user(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    uncounted: &Uncounted,
    user: User<'_>,
    wanted: Wanted,
) -> Answer<Page<Conversation>> {
    let Wanted {
        after,
        offset,
        limit,
    } = wanted;
    let list = List {
        mode,
        user,
        uncounted,
    };
    let enough = limit.saturating_add(1);
    let mut rows = list.behind(connection, after, offset, enough).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    counts::complete(connection, mode, &mut rows, uncounted).await?;
    Ok(Page {
        data: rows.into_iter().map(|row| row.conversation).collect(),
        has_more,
    })
}

/// A user's conversations.
struct List<'a> {
    mode: Mode,
    user: User<'a>,
    uncounted: &'a Uncounted,
}

impl List<'_> {
    /// So many behind a place and an offset.
    async fn behind(
        &self,
        connection: &mut AsyncMysqlConnection,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> Answer<Vec<ConversationRow>> {
        let newest = after.map_or(Day::MAX, |place| place.last_day);
        if offset > 0 || self.uncounted.has(newest) {
            return self.far_behind(connection, after, offset, limit).await;
        }
        let stored = self.stored(connection, newest, after, limit).await?;
        // What has no time yet stands first on its day, and behind every place.
        let is_unknown =
            |row: &ConversationRow| row.conversation.last_day == newest && row.newest_at.is_none();
        if after.is_some() && stored.iter().any(is_unknown) {
            return self.far_behind(connection, after, 0, limit).await;
        }
        self.settle(connection, stored).await
    }

    /// The same, whatever is stored of the days that these lie in.
    async fn far_behind(
        &self,
        connection: &mut AsyncMysqlConnection,
        after: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> Answer<Vec<ConversationRow>> {
        let (mut rows, mut newest) = (Vec::new(), Day::MAX);
        if let Some(place) = after {
            let part = (0, limit.saturating_add(offset));
            rows = self
                .active_on(connection, place.last_day, after, part)
                .await?;
            newest = place.last_day.previous();
        }
        let passed = offset.min(rows.len());
        rows.drain(..passed);
        if passed < offset {
            let Some((day, skip)) = self.pass(connection, newest, offset - passed).await? else {
                return Ok(rows);
            };
            rows = self.active_on(connection, day, None, (skip, limit)).await?;
            newest = day.previous();
        }
        let missing = limit.saturating_sub(rows.len());
        if missing > 0 {
            let stored = self.stored(connection, newest, None, missing).await?;
            rows.extend(self.settle(connection, stored).await?);
        }
        Ok(rows)
    }

    /// Passes over so many with their last day up to this one, and says on which day that ends, behind
    /// how many of that day; `None` where there are no more.
    async fn pass(
        &self,
        connection: &mut AsyncMysqlConnection,
        newest: Day,
        mut skip: usize,
    ) -> Answer<Option<(Day, usize)>> {
        let days = Statement {
            sql: DAYS,
            values: &[
                Value::Text(self.user.tenant),
                Value::Text(self.user.name),
                Value::Text(&newest.to_string()),
                Value::Number(as_limit(skip.saturating_add(1))),
            ],
        };
        for ActiveDay { day, conversations } in days.load(connection).await? {
            match usize::try_from(conversations) {
                Ok(active) if active <= skip => skip -= active,
                _ => return Ok(Some((day, skip))),
            }
        }
        Ok(None)
    }

    /// So many with their last day up to this one, behind a place on that day, in the order that is stored.
    async fn stored(
        &self,
        connection: &mut AsyncMysqlConnection,
        newest: Day,
        after: Option<Place>,
        limit: usize,
    ) -> Answer<Vec<ConversationRow>> {
        let columns = columns::MYSQL_CONVERSATION;
        let user = [Value::Text(self.user.tenant), Value::Text(self.user.name)];
        let limit = Value::Number(as_limit(limit));
        // Only days that the page has a part in are put in order, and the index leads to each of them.
        let mut days = "SELECT DISTINCT last_day AS day FROM (\
             SELECT last_day FROM conversations FORCE INDEX (conversations_user) \
             WHERE tenant = ? AND user_identifier = ? AND last_day <= ? \
             ORDER BY last_day DESC LIMIT ?) AS newest"
            .to_owned();
        let date = newest.to_string();
        let before = newest.previous().to_string();
        let (first, behind, place) = match after {
            None => (&date, "", Vec::new()),
            Some(Place { updated_at, id, .. }) => {
                days = format!("SELECT CAST(? AS DATE) AS day UNION {days}");
                let at = Value::Time(Millis(updated_at));
                let place = [Value::Text(&date), at, at, Value::Bytes(*id.as_bytes())];
                let behind = "AND (last_day < ? OR newest_at IS NULL OR newest_at < ? \
                     OR (newest_at = ? AND id > ?))";
                (&before, behind, place.into())
            }
        };
        let own_day = after.map(|_| Value::Text(&date));
        let mut values: Vec<Value<'_>> = own_day.into_iter().chain(user).collect();
        values.extend([Value::Text(first), limit]);
        values.extend(user);
        values.extend(place);
        values.push(limit);
        let stored = Statement {
            sql: &format!(
                "SELECT {columns} FROM ({days}) AS days \
                 STRAIGHT_JOIN conversations ON last_day = day \
                 WHERE tenant = ? AND user_identifier = ? {behind} \
                 ORDER BY last_day DESC, active_at IS NULL DESC, active_at DESC, id LIMIT ?"
            ),
            values: &values,
        };
        Ok(stored.load(connection).await?)
    }

    /// Puts these, with which each of their days begins, in the order of their times.
    async fn settle(
        &self,
        connection: &mut AsyncMysqlConnection,
        stored: Vec<ConversationRow>,
    ) -> Answer<Vec<ConversationRow>> {
        let mut settled = Vec::with_capacity(stored.len());
        for of_day in stored.chunk_by(|a, b| a.conversation.last_day == b.conversation.last_day) {
            let known = of_day.iter().map(|row| self.uncounted.newest_of(row));
            match known.collect::<Option<Vec<_>>>() {
                Some(times) => settled.extend(of_day.iter().zip(times).map(|(row, newest)| {
                    let mut row = row.clone();
                    row.conversation.updated_at = newest;
                    row
                })),
                None => {
                    let day = of_day[0].conversation.last_day;
                    let part = (0, of_day.len());
                    settled.extend(self.active_on(connection, day, None, part).await?);
                }
            }
        }
        Ok(settled)
    }

    /// The conversations that were last active on this day, or those of them behind a place.
    async fn active_on(
        &self,
        connection: &mut AsyncMysqlConnection,
        day: Day,
        after: Option<Place>,
        part: (usize, usize),
    ) -> Answer<Vec<ConversationRow>> {
        active_on(connection, self.mode, self.user, day, after, part).await
    }
}
