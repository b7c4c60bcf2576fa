//! Deleting rows, some thousand at a time: the days of a single table, and what days leave behind.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    days::within,
    decode::{ById, PgId, time},
    drop::{NOTE_DROP, Who, begin, count, forget},
    mode::Mode,
    session::Session,
    sqlstate::SqlState,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

/// Rows deleted in one transaction, for which batches wait: some 50 ms.
const CHUNK: i64 = 2000;
/// How often a chunk that met others is begun again before its day is left for later.
const ATTEMPTS: usize = 5;

/// Waits for the batches under way, and no longer than they may be held up. Then a conversation is
/// led to its rows by its key, not through those of the whole day.
const WITHOUT_BATCHES: &str = concat!(
    "SET LOCAL lock_timeout = '2s'; SET LOCAL enable_bitmapscan = off; \
     SET LOCAL enable_seqscan = off; ",
    lock!(no batch)
);

/// What is done in one transaction.
enum Step<'a> {
    /// Tells the batches from now on from those before.
    Mark,
    Count,
    Delete(&'a [PgId]),
    /// Forgets the day, but for what came meanwhile.
    Forget,
}

/// Rows of both kinds.
#[derive(Clone, Copy, Default)]
struct Deleted([usize; 2]);

/// Deletes the rows of a day; `None` where somebody else is at it, or it has tables of its own now.
pub(super) async fn day(
    session: &mut Session,
    day: Day,
    who: Who,
) -> QueryResult<Option<Vec<Partition>>> {
    for step in [Step::Mark, Step::Count] {
        if take(session, day, who, &step).await?.is_none() {
            return Ok(None);
        }
    }
    session
        .begin("BEGIN READ ONLY; SET LOCAL statement_timeout = 0")
        .await?;
    let rows = rows_by_conversation(&mut session.connection, day).await;
    let rows = session.end(rows).await?;
    let mut deleted = Deleted::default();
    let mut chunk = Vec::new();
    let mut chunk_rows = 0;
    let mut rest = rows.into_iter().peekable();
    while let Some(ById { id, value }) = rest.next() {
        chunk.push(PgId(id));
        chunk_rows += value;
        if chunk_rows >= CHUNK || rest.peek().is_none() {
            let step = Step::Delete(&chunk);
            let Some(now) = take(session, day, who, &step).await? else {
                return Ok(None);
            };
            deleted.0[0] += now.0[0];
            deleted.0[1] += now.0[1];
            chunk.clear();
            chunk_rows = 0;
        }
    }
    let forgotten = take(session, day, who, &Step::Forget).await?;
    let tables = [MESSAGES, ERRORS].into_iter().zip(deleted.0);
    let tables = tables
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| Partition {
            table: table.to_owned(),
            day: None,
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            bytes: None,
        });
    Ok(forgotten.map(|_| tables.collect()))
}

/// How many rows of a day each conversation has, by its id.
async fn rows_by_conversation(
    connection: &mut AsyncPgConnection,
    day: Day,
) -> QueryResult<Vec<ById>> {
    let of_day = within(&[day]);
    sql_query(format!(
        "SELECT conversation_id AS id, count(*) AS value FROM (\
         SELECT h.conversation_id FROM {MESSAGES} AS h WHERE {of_day} UNION ALL \
         SELECT h.conversation_id FROM {ERRORS} AS h WHERE {of_day}) AS both_kinds \
         GROUP BY conversation_id ORDER BY conversation_id"
    ))
    .load(connection)
    .await
}

async fn take(
    session: &mut Session,
    day: Day,
    who: Who,
    step: &Step<'_>,
) -> QueryResult<Option<Deleted>> {
    let mut attempts = 1;
    loop {
        let taken = match begin(session, who).await {
            Ok(Some(Mode::Single)) => step.take(&mut session.connection, day).await.map(Some),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match session.end(taken).await {
            Err(_)
                if session.state().is_some_and(SqlState::is_in_the_way) && attempts < ATTEMPTS =>
            {
                attempts += 1;
            }
            result => return result,
        }
    }
}

impl Step<'_> {
    async fn take(&self, connection: &mut AsyncPgConnection, day: Day) -> QueryResult<Deleted> {
        let sql = match self {
            Self::Count => {
                count(connection, day).await?;
                return Ok(Deleted::default());
            }
            Self::Delete(chunk) => return delete(connection, day, chunk).await,
            Self::Mark => format!(
                "{WITHOUT_BATCHES}; UPDATE recording_days SET dirty = 2 \
                 WHERE day = '{day}' AND (closed_at IS NULL OR dirty <> 0)"
            ),
            Self::Forget => format!(
                "{WITHOUT_BATCHES}; DELETE FROM recording_days WHERE day = '{day}' AND dirty = 0; \
                 UPDATE recording_days SET closed_at = NULL WHERE day = '{day}'"
            ),
        };
        connection.batch_execute(&sql).await?;
        Ok(Deleted::default())
    }
}

/// Deletes what these conversations have of a day.
async fn delete(
    connection: &mut AsyncPgConnection,
    day: Day,
    conversations: &[PgId],
) -> QueryResult<Deleted> {
    connection.batch_execute(WITHOUT_BATCHES).await?;
    let of_day = within(&[day]);
    let mut deleted = Deleted::default();
    for (table, rows) in [MESSAGES, ERRORS].into_iter().zip(&mut deleted.0) {
        *rows = sql_query(format!(
            "DELETE FROM {table} AS h WHERE h.conversation_id = ANY($1) AND {of_day}"
        ))
        .bind::<Array<Uuid>, _>(conversations)
        .execute(connection)
        .await?;
    }
    let ids: Vec<String> = conversations
        .iter()
        .map(|PgId(id)| id.to_string())
        .collect();
    let touched = format!("SELECT unnest('{{{}}}'::uuid[])", ids.join(","));
    forget(connection, &touched, day).await?;
    Ok(deleted)
}

/// Deletes what is left of the days before this one: conversations, if there were such days, and
/// what is no row of either kind.
pub(super) async fn rest(
    session: &mut Session,
    before: Day,
    who: Who,
    had_days: bool,
) -> QueryResult<()> {
    if had_days {
        conversations(session, before, who).await?;
    }
    others(session, before, who).await
}

/// Deletes the conversations whose last day was dropped in another way.
async fn conversations(session: &mut Session, before: Day, who: Who) -> QueryResult<()> {
    const LEFT: &str = "last_day < $1::date AND last_day NOT IN (SELECT day FROM recording_days)";
    loop {
        session
            .begin("BEGIN READ ONLY; SET LOCAL statement_timeout = 0")
            .await?;
        let ids = sql_query(format!(
            "SELECT id, 0::bigint AS value FROM conversations WHERE {LEFT} LIMIT $2"
        ))
        .bind::<Text, _>(before.to_string())
        .bind::<BigInt, _>(CHUNK)
        .load::<ById>(&mut session.connection)
        .await;
        let ids: Vec<PgId> = session
            .end(ids)
            .await?
            .iter()
            .map(|row| PgId(row.id))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let deleted = match begin(session, who).await {
            Ok(Some(_)) => {
                let connection = &mut session.connection;
                let sql = format!("DELETE FROM conversations WHERE {LEFT} AND id = ANY($2)");
                match connection
                    .batch_execute(&format!("{WITHOUT_BATCHES}; {NOTE_DROP}"))
                    .await
                {
                    Ok(()) => {
                        sql_query(sql)
                            .bind::<Text, _>(before.to_string())
                            .bind::<Array<Uuid>, _>(ids)
                            .execute(connection)
                            .await
                    }
                    Err(error) => Err(error),
                }
            }
            Ok(None) => Ok(0),
            Err(error) => Err(error),
        };
        if session.end(deleted).await? == 0 {
            return Ok(());
        }
    }
}

async fn others(session: &mut Session, before: Day, who: Who) -> QueryResult<()> {
    let deleted = match begin(session, who).await {
        Ok(Some(_)) => delete_others(&mut session.connection, before).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    session.end(deleted).await
}

async fn delete_others(connection: &mut AsyncPgConnection, before: Day) -> QueryResult<()> {
    for sql in [
        "DELETE FROM recording_rejects WHERE created_at < $1",
        "DELETE FROM response_ids WHERE seen_at < $1",
    ] {
        sql_query(sql)
            .bind::<Timestamptz, _>(time(before.start_ms()))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Deletes the usage of days before this one.
pub(super) async fn usage(session: &mut Session, before: Day) -> QueryResult<()> {
    let deleted = match begin(session, Who::Retention).await {
        Ok(Some(_)) => {
            sql_query("DELETE FROM usage_daily WHERE day < $1::date")
                .bind::<Text, _>(before.to_string())
                .execute(&mut session.connection)
                .await
        }
        Ok(None) => Ok(0),
        Err(error) => Err(error),
    };
    session.end(deleted).await.map(drop)
}
