//! Pages of a user's conversations, last active first.
//!
//! The index on `last_day` leads from day to day, no further than a page goes. Of days that are closed
//! and clean the order is stored; the partitions of the others are read, and no more.

use diesel::{
    pg::data_types::PgDate,
    prelude::*,
    sql_types::{BigInt, Date},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::try_join;

use super::{
    counts::{self, Uncounted},
    decode::{ConversationRow, PgId, day_of, time},
    newest::active_on,
    prepared::{Bind, Prepared},
    read::as_limit,
};
use crate::{
    partition::Day,
    store::{Conversation, Page, Place, columns},
};

const DAYS: &str = "SELECT last_day AS day, count(*) AS conversations FROM (\
     SELECT last_day FROM conversations \
     WHERE tenant = ? AND user_identifier = ? AND last_day <= ?::date \
     ORDER BY last_day DESC LIMIT ?) AS newest GROUP BY last_day ORDER BY last_day DESC";

/// A day that conversations were last active on.
#[derive(QueryableByName)]
struct ActiveDay {
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = BigInt)]
    conversations: i64,
}

/// A user's conversations behind a place.
pub(super) async fn of_user(
    connection: &AsyncPgConnection,
    whose: (&str, &str),
    after: Option<Place>,
    offset: usize,
    limit: usize,
) -> QueryResult<Page<Conversation>> {
    let list = List { connection, whose };
    let enough = limit.saturating_add(1);
    let (mut rows, uncounted) = match offset {
        0 => list.begin(after, enough).await?,
        _ => {
            let uncounted = Uncounted::find(connection).await?;
            let rows = list.far_behind(after, offset, enough, &uncounted);
            (rows.await?, uncounted)
        }
    };
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    counts::complete(connection, &mut rows, uncounted).await?;
    Ok(Page {
        data: rows.into_iter().map(|row| row.conversation).collect(),
        has_more,
    })
}

/// A user's conversations.
struct List<'a> {
    connection: &'a AsyncPgConnection,
    whose: (&'a str, &'a str),
}

impl List<'_> {
    /// So many behind a place.
    async fn begin(
        &self,
        after: Option<Place>,
        limit: usize,
    ) -> QueryResult<(Vec<ConversationRow>, Uncounted)> {
        let newest = after.map_or(Day::MAX, |place| place.last_day);
        let stored = self.stored(newest, after, limit);
        let (stored, uncounted) = try_join!(stored, Uncounted::find(self.connection))?;
        // What has no time yet stands first on its day, and behind every place.
        let is_unknown = |row: &ConversationRow| {
            row.conversation.last_day == newest && uncounted.newest_of(row).is_none()
        };
        let rows = match after {
            Some(_) if uncounted.has(newest) || stored.iter().any(is_unknown) => {
                self.far_behind(after, 0, limit, &uncounted).await?
            }
            _ => self.settle(stored, &uncounted).await?,
        };
        Ok((rows, uncounted))
    }

    /// So many behind a place and an offset, whatever is stored of the days that these lie in.
    async fn far_behind(
        &self,
        after: Option<Place>,
        offset: usize,
        limit: usize,
        uncounted: &Uncounted,
    ) -> QueryResult<Vec<ConversationRow>> {
        let (mut rows, mut newest) = (Vec::new(), Day::MAX);
        if let Some(place) = after {
            let part = (0, limit.saturating_add(offset));
            rows = active_on(self.connection, self.whose, place.last_day, after, part).await?;
            newest = place.last_day.previous();
        }
        let passed = offset.min(rows.len());
        rows.drain(..passed);
        if passed < offset {
            let Some((day, skip)) = self.pass(newest, offset - passed).await? else {
                return Ok(rows);
            };
            rows = active_on(self.connection, self.whose, day, None, (skip, limit)).await?;
            newest = day.previous();
        }
        let missing = limit.saturating_sub(rows.len());
        if missing > 0 {
            let stored = self.stored(newest, None, missing).await?;
            rows.extend(self.settle(stored, uncounted).await?);
        }
        Ok(rows)
    }

    /// Passes over so many with their last day up to this one, and says on which day that ends, behind
    /// how many of that day; `None` where there are no more.
    async fn pass(&self, newest: Day, mut skip: usize) -> QueryResult<Option<(Day, usize)>> {
        let (tenant, user) = self.whose;
        let days = Prepared {
            sql: DAYS,
            binds: vec![
                Bind::Text(tenant.to_owned()),
                Bind::Text(user.to_owned()),
                Bind::Text(newest.to_string()),
                Bind::Number(as_limit(skip.saturating_add(1))),
            ],
        };
        let days: Vec<ActiveDay> = days.load(&mut &*self.connection).await?;
        for ActiveDay { day, conversations } in days {
            match usize::try_from(conversations) {
                Ok(active) if active <= skip => skip -= active,
                _ => return Ok(Some((day_of(day), skip))),
            }
        }
        Ok(None)
    }

    /// So many with their last day up to this one, behind a place on that day, in the order that is stored.
    async fn stored(
        &self,
        newest: Day,
        after: Option<Place>,
        limit: usize,
    ) -> QueryResult<Vec<ConversationRow>> {
        let columns = columns::POSTGRES_CONVERSATION;
        let (tenant, user) = self.whose;
        let texts = [tenant, user, &newest.to_string()];
        let mut found: Vec<Bind> = texts.map(|text| Bind::Text(text.to_owned())).into();
        let mut which = "tenant = ? AND user_identifier = ? AND last_day <= ?::date".to_owned();
        if let Some(Place { updated_at, id, .. }) = after {
            let at = || Bind::Time(time(updated_at));
            found.extend([
                Bind::Text(newest.to_string()),
                at(),
                at(),
                Bind::Id(PgId(id)),
            ]);
            which += " AND (last_day < ?::date OR newest_at IS NULL OR newest_at < ? \
                       OR (newest_at = ? AND id > ?))";
        }
        // Only days that the page has a part in are put in order.
        let limit = || Bind::Number(as_limit(limit));
        let binds = [found.clone(), found, vec![limit(), limit()]].concat();
        let stored = Prepared {
            sql: &format!(
                "SELECT {columns} FROM conversations WHERE {which} AND last_day >= (\
                 SELECT min(last_day) FROM (SELECT last_day FROM conversations WHERE {which} \
                 ORDER BY last_day DESC LIMIT ?) AS newest) \
                 ORDER BY last_day DESC, active_at DESC, id LIMIT ?"
            ),
            binds,
        };
        stored.load(&mut &*self.connection).await
    }

    /// Puts these, with which each of their days begins, in the order of their times.
    async fn settle(
        &self,
        stored: Vec<ConversationRow>,
        uncounted: &Uncounted,
    ) -> QueryResult<Vec<ConversationRow>> {
        let mut settled = Vec::with_capacity(stored.len());
        for of_day in stored.chunk_by(|a, b| a.conversation.last_day == b.conversation.last_day) {
            let known = of_day.iter().map(|row| uncounted.newest_of(row));
            match known.collect::<Option<Vec<_>>>() {
                Some(times) => settled.extend(of_day.iter().zip(times).map(|(row, newest)| {
                    let mut row = row.clone();
                    row.conversation.updated_at = newest;
                    row
                })),
                None => {
                    let day = of_day[0].conversation.last_day;
                    let part = (0, of_day.len());
                    settled.extend(active_on(self.connection, self.whose, day, None, part).await?);
                }
            }
        }
        Ok(settled)
    }
}
