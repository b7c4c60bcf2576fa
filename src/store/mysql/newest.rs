//! When conversations were last active, where the time that is stored does not tell.

use diesel::{
    QueryableByName,
    sql_types::{Datetime, Nullable},
};
use diesel_async::AsyncMysqlConnection;

use super::{
    datetime::Millis,
    days,
    decode::{ActiveRow, ConversationRow},
    error::Answer,
    layout::Mode,
    pages::User,
    read::{as_limit, unless_dropped},
    statement::{Statement, Value},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Place, UnixMillis, columns},
};

/// Before every row.
const NEVER: &str = "CAST('0001-01-01' AS DATETIME(3))";

/// One time.
#[derive(QueryableByName)]
struct TimeRow {
    #[diesel(sql_type = Nullable<Datetime>)]
    value: Option<Millis>,
}

/// The time of the newest row of either kind.
pub(super) async fn of(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    row: &ConversationRow,
) -> Answer<Option<UnixMillis>> {
    let (id, first, last) = (
        row.conversation.id,
        row.first_day,
        row.conversation.last_day,
    );
    let newest = on(connection, mode, id, last).await?;
    if newest.is_some() || mode == Mode::Single || first == last {
        return Ok(newest);
    }
    // Somebody dropped its last day.
    for day in days::between(connection, first, last.previous())
        .await?
        .into_iter()
        .rev()
    {
        let newest = on(connection, mode, id, day).await?;
        if newest.is_some() {
            return Ok(newest);
        }
    }
    Ok(None)
}

/// The time of the newest row in the tables of this day: two looks at an index.
async fn on(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: Id,
    day: Day,
) -> Answer<Option<UnixMillis>> {
    let [messages, errors] = [MESSAGES, ERRORS].map(|prefix| {
        let table = mode.table(prefix, day);
        format!("SELECT MAX(created_at) AS value FROM {table} WHERE conversation_id = ?")
    });
    let id = Value::Bytes(*conversation.as_bytes());
    let newest = Statement {
        sql: &format!("{messages} UNION ALL {errors}"),
        values: &[id, id],
    };
    let times = newest.load_of_day(connection, mode, day).await;
    let times: Vec<TimeRow> = unless_dropped(connection, times).await?.unwrap_or_default();
    let newest = times.into_iter().filter_map(|row| row.value).max();
    Ok(newest.map(|Millis(at)| at))
}

/// A user's conversations that were last active on this day, or those of them behind a place.
pub(super) async fn active_on(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    user: User<'_>,
    day: Day,
    after: Option<Place>,
    (offset, limit): (usize, usize),
) -> Answer<Vec<ConversationRow>> {
    let date = day.to_string();
    let mut values = vec![
        Value::Text(user.tenant),
        Value::Text(user.name),
        Value::Text(&date),
    ];
    let mut behind = "";
    if let Some(Place { updated_at, id, .. }) = after {
        let at = Value::Time(Millis(updated_at));
        values.extend([at, at, Value::Bytes(*id.as_bytes())]);
        behind = "HAVING updated_at < ? OR (updated_at = ? AND id > ?)";
    }
    values.extend([limit, offset].map(|rows| Value::Number(as_limit(rows))));
    let newest = [MESSAGES, ERRORS].map(|prefix| {
        let table = mode.table(prefix, day);
        format!(
            "(SELECT h.created_at FROM {table} AS h WHERE h.conversation_id = conversations.id \
             ORDER BY h.created_at DESC LIMIT 1)"
        )
    });
    let sql = listed(&newest, behind);
    let active = Statement {
        sql: &sql,
        values: &values,
    };
    let rows = active.load_of_day(connection, mode, day).await;
    let rows: Vec<ActiveRow> = match unless_dropped(connection, rows).await? {
        Some(rows) => rows,
        None => {
            let unknown = ["CAST(NULL AS DATETIME(3))"; 2].map(str::to_owned);
            let sql = listed(&unknown, behind);
            let made = Statement {
                sql: &sql,
                values: &values,
            };
            made.load_of_day(connection, mode, day).await?
        }
    };
    Ok(rows.into_iter().map(|ActiveRow(row)| row).collect())
}

/// Asks for a user's conversations of a day, whose newest rows of either kind these are. A conversation may
/// have rows of one kind only, and `GREATEST` of a NULL and a time is NULL.
fn listed(newest: &[String; 2], behind: &str) -> String {
    let columns = columns::MYSQL_CONVERSATION;
    let [message, error] = newest
        .each_ref()
        .map(|newest| format!("COALESCE({newest}, {NEVER})"));
    format!(
        "SELECT {columns}, \
         CAST(COALESCE(NULLIF(GREATEST({message}, {error}), {NEVER}), created_at) AS DATETIME(3)) \
         AS updated_at \
         FROM conversations WHERE tenant = ? AND user_identifier = ? AND last_day = ? {behind} \
         ORDER BY updated_at DESC, id LIMIT ? OFFSET ?"
    )
}
