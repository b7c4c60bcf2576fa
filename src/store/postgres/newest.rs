//! When conversations were last active, where the time that is stored does not tell.

use diesel::{
    pg::data_types::PgTimestamp,
    prelude::*,
    sql_types::{Nullable, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    days::between,
    decode::{ActiveRow, ConversationRow, PgId, time},
    prepared::{Bind, Once, Prepared},
    read::as_limit,
    time::{from_pg, now},
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Place, UnixMillis, columns},
};

/// Whether a connection keeps what it is asked of this day: of a few days at a time, since whoever asks
/// may name any.
fn is_asked_often(day: Day) -> bool {
    let today = Day::from_unix_ms(now());
    today.previous() <= day && day.previous() <= today
}

#[derive(QueryableByName)]
struct TimeRow {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    value: Option<PgTimestamp>,
}

/// The time of the newest row of a conversation `c` on this day: two looks at an index. NULL is never
/// the greatest.
fn newest_on(day: Day) -> String {
    let within = between(day, day);
    let [messages, errors] = [MESSAGES, ERRORS].map(|table| {
        format!(
            "(SELECT max(h.created_at) FROM {table} AS h \
             WHERE h.conversation_id = c.id AND {within})"
        )
    });
    format!("greatest({messages}, {errors})")
}

/// The time of the newest row of a conversation's last day.
pub(super) async fn of(
    mut connection: &AsyncPgConnection,
    row: &ConversationRow,
) -> QueryResult<Option<UnixMillis>> {
    let newest = newest_on(row.conversation.last_day);
    let newest = Prepared {
        sql: &format!("SELECT {newest} AS value FROM conversations AS c WHERE c.id = ?"),
        binds: vec![Bind::Id(PgId(row.conversation.id))],
    };
    let newest: Option<TimeRow> = match is_asked_often(row.conversation.last_day) {
        true => newest.get_result(&mut connection).await.optional()?,
        false => Once(newest).get_result(&mut connection).await.optional()?,
    };
    let newest = newest.and_then(|row| row.value);
    Ok(newest.map(|PgTimestamp(us)| from_pg(us)))
}

/// A user's conversations that were last active on this day, or those of them behind a place.
pub(super) async fn active_on(
    mut connection: &AsyncPgConnection,
    (tenant, user): (&str, &str),
    day: Day,
    after: Option<Place>,
    (offset, limit): (usize, usize),
) -> QueryResult<Vec<ConversationRow>> {
    let columns = columns::POSTGRES_CONVERSATION;
    let newest = newest_on(day);
    let mut binds: Vec<Bind> = [tenant, user, &day.to_string()]
        .map(|text| Bind::Text(text.to_owned()))
        .into();
    let mut behind = "";
    if let Some(place) = after {
        let at = || Bind::Time(time(place.updated_at));
        binds.extend([at(), at(), Bind::Id(PgId(place.id))]);
        behind = "WHERE updated_at < ? OR (updated_at = ? AND id > ?)";
    }
    binds.extend([offset, limit].map(|rows| Bind::Number(as_limit(rows))));
    let active = Prepared {
        sql: &format!(
            "WITH listed AS MATERIALIZED (\
             SELECT c.*, coalesce({newest}, c.created_at) AS updated_at FROM conversations AS c \
             WHERE tenant = ? AND user_identifier = ? AND last_day = ?::date) \
             SELECT {columns}, updated_at FROM listed {behind} \
             ORDER BY updated_at DESC, id OFFSET ? LIMIT ?"
        ),
        binds,
    };
    let rows: Vec<ActiveRow> = match is_asked_often(day) {
        true => active.load(&mut connection).await?,
        false => Once(active).load(&mut connection).await?,
    };
    Ok(rows.into_iter().map(|ActiveRow(row)| row).collect())
}
