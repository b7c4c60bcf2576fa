//! A user's conversations, page by page.

use diesel::{
    QueryableByName, deserialize,
    deserialize::QueryableByName as Build,
    mysql::Mysql,
    row::NamedRow,
    sql_types::{Date, Datetime, Nullable},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    complete::{Listed, complete},
    datetime::Millis,
    days::NumberRow,
    decode::ConversationRow,
    error::Answer,
    layout::Mode,
    read::{as_limit, unless_dropped},
    statement::{Once, Statement, Value},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Conversation, Page, Place, columns},
};

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

/// A page of a user's conversations, last active first.
///
/// The index on `last_day` leads from each day to the one before, so only the days that the page
/// lies in are read.
pub(super) async fn of_user(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    user: User<'_>,
    wanted: Wanted,
) -> Answer<Page<Conversation>> {
    let Wanted {
        after,
        offset,
        limit,
    } = wanted;
    let mut found: Vec<Listed> = Vec::new();
    let mut skip = as_limit(offset);
    let mut next = Some(after.map_or(Day::MAX, |place| place.last_day));
    let mut has_more = false;
    while let Some(last) = next {
        let Some(day) = active_until(connection, user, last).await? else {
            break;
        };
        next = (day > Day::MIN).then(|| day.previous());
        let list = DayOfUser {
            mode,
            user,
            day,
            after: after.filter(|place| place.last_day == day),
        };
        if skip > 0 {
            let there = list.count(connection).await?;
            if there <= skip {
                skip -= there;
                continue;
            }
        }
        let missing = limit - found.len();
        if missing == 0 && list.after.is_none() {
            has_more = true;
            break;
        }
        // One more tells whether there are more.
        let rows = list
            .page(connection, as_limit(missing).saturating_add(1), skip)
            .await?;
        found.extend(rows.into_iter().map(|row| row.0));
        if found.len() > limit {
            has_more = true;
            break;
        }
        skip = 0;
    }
    found.truncate(limit);
    Ok(Page {
        data: complete(connection, mode, found).await?,
        has_more,
    })
}

/// The newest day up to this one on which conversations of the user were last active.
async fn active_until(
    connection: &mut AsyncMysqlConnection,
    user: User<'_>,
    last: Day,
) -> Answer<Option<Day>> {
    let last = last.to_string();
    let newest = Statement {
        sql: "SELECT MAX(last_day) AS value FROM conversations \
              WHERE tenant = ? AND user_identifier = ? AND last_day <= ?",
        values: &[
            Value::Text(user.tenant),
            Value::Text(user.name),
            Value::Text(&last),
        ],
    };
    let row: DayRow = newest.get_result(connection).await?;
    Ok(row.value)
}

#[derive(QueryableByName)]
struct DayRow {
    #[diesel(sql_type = Nullable<Date>)]
    value: Option<Day>,
}

/// A conversation as it is listed.
struct ListedRow(Listed);

impl Build<Mysql> for ListedRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let active_at: Millis = NamedRow::get::<Datetime, _>(row, "active_at")?;
        Ok(Self(Listed {
            active_at: Some(active_at.0),
            row: ConversationRow::build(row)?,
        }))
    }
}

/// A user's conversations that were last active on one day.
struct DayOfUser<'a> {
    mode: Mode,
    user: User<'a>,
    day: Day,
    /// Only those behind this place.
    after: Option<Place>,
}

impl DayOfUser<'_> {
    /// The newest first.
    async fn page(
        &self,
        connection: &mut AsyncMysqlConnection,
        limit: i64,
        offset: i64,
    ) -> Answer<Vec<ListedRow>> {
        let page = |rows: &str| {
            format!("SELECT * {rows} ORDER BY active_at DESC, id LIMIT {limit} OFFSET {offset}")
        };
        self.ask(connection, page).await
    }

    async fn count(&self, connection: &mut AsyncMysqlConnection) -> Answer<i64> {
        let rows: Vec<NumberRow> = if self.after.is_some() {
            let number = |rows: &str| format!("SELECT COUNT(*) AS value {rows}");
            self.ask(connection, number).await?
        } else {
            let day = self.day.to_string();
            let number = Statement {
                sql: "SELECT COUNT(*) AS value FROM conversations \
                      WHERE tenant = ? AND user_identifier = ? AND last_day = ?",
                values: &[
                    Value::Text(self.user.tenant),
                    Value::Text(self.user.name),
                    Value::Text(&day),
                ],
            };
            number.load(connection).await?
        };
        Ok(rows
            .as_slice()
            .first()
            .and_then(|row| row.value)
            .unwrap_or(0))
    }

    async fn ask<T: Build<Mysql> + Send + 'static>(
        &self,
        connection: &mut AsyncMysqlConnection,
        query: impl Fn(&str) -> String,
    ) -> Answer<Vec<T>> {
        let day = self.day.to_string();
        let mut values = vec![
            Value::Text(self.user.tenant),
            Value::Text(self.user.name),
            Value::Text(&day),
        ];
        if let Some(Place { updated_at, id, .. }) = self.after {
            let at = Value::Time(Millis(updated_at));
            values.extend([at, at, Value::Bytes(*id.as_bytes())]);
        }
        let newest = |prefix| {
            let table = self.mode.table(prefix, self.day);
            format!(
                "(SELECT h.created_at FROM {table} AS h WHERE h.conversation_id = conversations.id \
                 ORDER BY h.created_at DESC LIMIT 1)"
            )
        };
        let once = |sql| {
            Once(Statement {
                sql,
                values: &values,
            })
        };
        let sql = query(&self.rows(&newest(MESSAGES), &newest(ERRORS)));
        let rows = once(&sql).load(connection).await.map_err(Into::into);
        match unless_dropped(connection, rows).await? {
            Some(rows) => Ok(rows),
            None => {
                let unknown = "CAST(NULL AS DATETIME(3))";
                let sql = query(&self.rows(unknown, unknown));
                Ok(once(&sql).load(connection).await?)
            }
        }
    }

    /// A conversation may have rows of one kind only, and `GREATEST` of a NULL and a time is NULL.
    fn rows(&self, newest_message: &str, newest_error: &str) -> String {
        let columns = columns::CONVERSATION;
        let behind = match self.after {
            Some(_) => "WHERE active_at < ? OR (active_at = ? AND id > ?)",
            None => "",
        };
        format!(
            "FROM (SELECT {columns}, \
             GREATEST(COALESCE(newest_message, newest_error, created_at), \
             COALESCE(newest_error, newest_message, created_at)) AS active_at \
             FROM (SELECT {columns}, {newest_message} AS newest_message, \
             {newest_error} AS newest_error FROM conversations \
             WHERE tenant = ? AND user_identifier = ? AND last_day = ?) AS found) AS listed {behind}"
        )
    }
}
