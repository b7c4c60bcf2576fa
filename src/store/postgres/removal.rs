//! Deleting conversations with all their rows.

use std::{collections::BTreeSet, sync::Arc};

use diesel::{
    pg::data_types::PgDate,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Date, Nullable, Text, Timestamptz, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    connections::{Connections, Reading},
    days::within,
    decode::{PgId, day_of, time},
    drop::NOTE_DROP,
    error::Doing,
    marks::{self, LATEST},
    session::Session,
    sqlstate::SqlState,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{
        Deleted, StoreError, UnixMillis,
        deletion::{Mark, UNNAMED},
    },
};

/// More rows than these go day by day before the rest goes at once, for which batches wait.
const ROWS_AT_ONCE: i64 = 5_000;
/// How often what met others is begun again.
const ATTEMPTS: usize = 5;

/// Beside batches.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5s'";
/// When those under way have ended, which are not held up for longer.
pub(super) const BEGIN_ALONE: &str =
    concat!("BEGIN; SET LOCAL lock_timeout = '2s'; ", lock!(no batch));

/// Conversations that are deleted together.
#[derive(Clone)]
pub(super) struct Doomed {
    pub(super) ids: Arc<[PgId]>,
    pub(super) at: UnixMillis,
    /// Whose rows of closed days are in no count any more by themselves.
    pub(super) uncounted: Option<String>,
}

impl Doomed {
    pub(super) fn new(ids: &[Id], at: UnixMillis) -> Self {
        Self {
            ids: ids.iter().copied().map(PgId).collect(),
            at,
            uncounted: None,
        }
    }
}

impl Connections {
    /// Deletes these conversations. The last transaction takes the rest of all of them.
    pub(super) async fn delete(&self, doomed: &Doomed) -> Result<Deleted, StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let deleted = delete(&mut lease.session, doomed).await;
        self.settle(lease, deleted, Doing::Deleting)
    }
}

async fn delete(session: &mut Session, doomed: &Doomed) -> QueryResult<Deleted> {
    let mut deleted = Deleted::default();
    let own = doomed.clone();
    let days = surely(session, "BEGIN READ ONLY", move |connection| {
        let doomed = own.clone();
        Box::pin(async move { days_of(connection, &doomed).await })
    });
    let days = days.await?;
    if days.iter().map(|(_, rows)| rows).sum::<i64>() > ROWS_AT_ONCE {
        for (day, _) in days {
            let doomed = doomed.clone();
            let part = surely(session, BEGIN, move |connection| {
                let doomed = doomed.clone();
                Box::pin(async move {
                    let within = within(&[day]);
                    mark_answers(connection, &doomed, &within).await?;
                    rows(connection, &doomed, &within).await
                })
            });
            deleted += part.await?;
        }
    }
    let doomed = doomed.clone();
    let rest = surely(session, BEGIN_ALONE, move |connection| {
        let doomed = doomed.clone();
        Box::pin(async move { rest(connection, &doomed).await })
    });
    deleted += rest.await?;
    Ok(deleted)
}

/// Does this in one transaction, and again where others are in the way.
pub(super) async fn surely<T>(
    session: &mut Session,
    begin: &str,
    work: impl for<'a> Fn(&'a mut AsyncPgConnection) -> Reading<'a, T>,
) -> QueryResult<T> {
    let mut attempts = 1;
    loop {
        let done = match session.begin(begin).await {
            Ok(()) => work(&mut session.connection).await,
            Err(error) => Err(error),
        };
        match session.end(done).await {
            Err(_)
                if session.state().is_some_and(SqlState::is_in_the_way) && attempts < ATTEMPTS =>
            {
                attempts += 1;
            }
            result => return result,
        }
    }
}

#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Nullable<Date>)]
    first_day: Option<PgDate>,
    #[diesel(sql_type = Nullable<Date>)]
    last_day: Option<PgDate>,
}

/// A condition on the times of these conversations' rows, which leaves other partitions out.
async fn span(connection: &mut AsyncPgConnection, doomed: &Doomed) -> QueryResult<String> {
    let span: Span = sql_query(
        "SELECT min(first_day) AS first_day, max(last_day) AS last_day FROM conversations \
         WHERE id = ANY($1)",
    )
    .bind::<Array<Uuid>, _>(&*doomed.ids)
    .get_result(connection)
    .await?;
    let days = span.first_day.map(day_of).zip(span.last_day.map(day_of));
    let days: Vec<Day> = days.map_or_else(Vec::new, |(first, last)| first.through(last).collect());
    Ok(within(&days))
}

#[derive(QueryableByName)]
struct DayRow {
    #[diesel(sql_type = Date)]
    day: PgDate,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// The days of these conversations' rows, with the numbers of these.
async fn days_of(
    connection: &mut AsyncPgConnection,
    doomed: &Doomed,
) -> QueryResult<Vec<(Day, i64)>> {
    let within = span(connection, doomed).await?;
    let rows: Vec<DayRow> = sql_query(format!(
        "SELECT day, count(*) AS rows FROM (\
         SELECT (h.created_at AT TIME ZONE 'UTC')::date AS day FROM {MESSAGES} AS h \
         WHERE h.conversation_id = ANY($1) AND {within} UNION ALL \
         SELECT (h.created_at AT TIME ZONE 'UTC')::date FROM {ERRORS} AS h \
         WHERE h.conversation_id = ANY($1) AND {within}) AS both_kinds GROUP BY day ORDER BY day"
    ))
    .bind::<Array<Uuid>, _>(&*doomed.ids)
    .load(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (day_of(row.day), row.rows))
        .collect())
}

/// Leaves the answers within these times as marks, by which what belongs to a conversation is told
/// where it has no name of its client's.
async fn mark_answers(
    connection: &mut AsyncPgConnection,
    doomed: &Doomed,
    within: &str,
) -> QueryResult<()> {
    sql_query(format!(
        "INSERT INTO recording_erasures (hash, erased_at) \
         SELECT DISTINCT h.chain_hash, $2 FROM {MESSAGES} AS h \
         WHERE h.conversation_id IN (SELECT id FROM conversations WHERE id = ANY($1) AND {UNNAMED}) \
         AND h.conversation_id = ANY($1) AND {within} \
         AND h.role = 'assistant' AND h.chain_hash IS NOT NULL {LATEST}"
    ))
    .bind::<Array<Uuid>, _>(&*doomed.ids)
    .bind::<Timestamptz, _>(time(doomed.at))
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes the rows within these times.
async fn rows(
    connection: &mut AsyncPgConnection,
    doomed: &Doomed,
    within: &str,
) -> QueryResult<Deleted> {
    let mut deleted = Deleted::default();
    let mut dirty = BTreeSet::new();
    for table in [MESSAGES, ERRORS] {
        let days: Vec<DayRow> = sql_query(format!(
            "SELECT (h.created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS rows \
             FROM {table} AS h WHERE h.conversation_id = ANY($1) AND {within} \
             AND h.user_id IS DISTINCT FROM $2 GROUP BY 1"
        ))
        .bind::<Array<Uuid>, _>(&*doomed.ids)
        .bind::<Nullable<Text>, _>(doomed.uncounted.as_deref())
        .load(connection)
        .await?;
        dirty.extend(days.into_iter().map(|row| day_of(row.day)));
        let gone = sql_query(format!(
            "DELETE FROM {table} AS h WHERE h.conversation_id = ANY($1) AND {within}"
        ))
        .bind::<Array<Uuid>, _>(&*doomed.ids)
        .execute(connection)
        .await?;
        match table {
            MESSAGES => deleted.messages += gone as u64,
            _ => deleted.errors += gone as u64,
        }
    }
    forget_newest(connection, &doomed.ids).await?;
    count_again(connection, dirty).await?;
    Ok(deleted)
}

/// Deletes what is left. The conversations come first, as where they are counted.
async fn rest(connection: &mut AsyncPgConnection, doomed: &Doomed) -> QueryResult<Deleted> {
    let within = span(connection, doomed).await?;
    let marks: Vec<Mark> = doomed.ids.iter().map(|PgId(id)| *id.as_bytes()).collect();
    marks::leave(connection, &marks, doomed.at).await?;
    mark_answers(connection, doomed, &within).await?;
    let conversations = gone_from(connection, doomed, "conversations", "id").await?;
    let mut deleted = rows(connection, doomed, &within).await?;
    deleted.conversations = conversations;
    for (table, gone) in [
        ("recording_rejects", &mut deleted.rejects),
        ("response_ids", &mut deleted.responses),
    ] {
        *gone = gone_from(connection, doomed, table, "conversation_id").await?;
    }
    connection.batch_execute(NOTE_DROP).await?;
    Ok(deleted)
}

async fn gone_from(
    connection: &mut AsyncPgConnection,
    doomed: &Doomed,
    table: &str,
    column: &str,
) -> QueryResult<u64> {
    let gone = sql_query(format!("DELETE FROM {table} WHERE {column} = ANY($1)"))
        .bind::<Array<Uuid>, _>(&*doomed.ids)
        .execute(connection)
        .await?;
    Ok(gone as u64)
}

/// Has the newest rows of these conversations looked up until their last day is counted again.
pub(super) async fn forget_newest(
    connection: &mut AsyncPgConnection,
    ids: &[PgId],
) -> QueryResult<()> {
    sql_query(
        "UPDATE conversations SET newest_at = NULL WHERE id = ANY($1) AND newest_at IS NOT NULL",
    )
    .bind::<Array<Uuid>, _>(ids)
    .execute(connection)
    .await
    .map(drop)
}

/// Has days counted again.
pub(super) async fn count_again(
    connection: &mut AsyncPgConnection,
    days: impl IntoIterator<Item = Day>,
) -> QueryResult<()> {
    let days: Vec<String> = days.into_iter().map(|day| day.to_string()).collect();
    sql_query("UPDATE recording_days SET dirty = 1 WHERE day = ANY($1::date[]) AND dirty <> 1")
        .bind::<Array<Text>, _>(days)
        .execute(connection)
        .await
        .map(drop)
}
