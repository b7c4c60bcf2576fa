//! Deleting all that a user said.

use std::{collections::BTreeSet, sync::Arc};

use diesel::{
    deserialize,
    pg::Pg,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    connections::{Connections, Reading},
    days::within,
    decode::{ById, DayRow, PgId, day_of, time},
    drop::NOTE_DROP,
    error::Doing,
    marks,
    removal::{BEGIN_ALONE, Doomed, count_again, forget_newest, surely},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{
        Deleted, StoreError, UnixMillis, Whose,
        deletion::{Rejected, User},
    },
};

/// Conversations that are deleted together.
const AT_ONCE: i64 = 100;
/// Rejected exchanges looked at together, each of up to a megabyte.
const REJECTS_AT_ONCE: i64 = 20;

const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5s'";
const BEGIN_READING: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = 0";
/// While nobody counts a day.
const BEGIN_COUNTS: &str = concat!(
    "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; ",
    lock!(maintenance)
);

impl Connections {
    /// Deletes a user.
    pub(super) async fn erase(
        &self,
        user: Arc<User>,
        at: UnixMillis,
    ) -> Result<Deleted, StoreError> {
        let mark = user.mark();
        self.alone(BEGIN_ALONE, move |connection| {
            Box::pin(async move { marks::leave(connection, &[mark], at).await })
        })
        .await?;
        let mut deleted = Deleted::default();
        let mut others = 0;
        loop {
            let own = Arc::clone(&user);
            let found = self.alone(BEGIN_READING, move |connection| {
                Box::pin(found(connection, Arc::clone(&own), at, others))
            });
            let found = found.await?;
            if found.is_empty() {
                break;
            }
            let own = found.iter().filter(|row| user.has(&row.session_id, row.id));
            let ids: Vec<Id> = own.map(|row| row.id).collect();
            others += (found.len() - ids.len()) as i64;
            if !ids.is_empty() {
                let doomed = Doomed {
                    uncounted: Some(user.name.clone()),
                    ..Doomed::new(&ids, at)
                };
                deleted += self.delete(&doomed).await?;
            }
        }
        if user.whose == Whose::Bearing {
            deleted += self.erase_elsewhere(&user, at).await?;
        }
        deleted.rejects += self.erase_rejects(&user, at).await?;
        deleted.usage += self
            .alone(BEGIN_COUNTS, move |connection| {
                Box::pin(usage(connection, Arc::clone(&user), others > 0))
            })
            .await?;
        Ok(deleted)
    }

    /// Deletes what the user said in conversations that bear another's name.
    async fn erase_elsewhere(
        &self,
        user: &Arc<User>,
        at: UnixMillis,
    ) -> Result<Deleted, StoreError> {
        let mut deleted = Deleted::default();
        for table in [MESSAGES, ERRORS] {
            let own = Arc::clone(user);
            let days = self.alone(BEGIN_READING, move |connection| {
                Box::pin(days_of(connection, table, Arc::clone(&own), at))
            });
            for day in days.await? {
                let own = Arc::clone(user);
                // Nor is a day counted meanwhile: what goes would leave the time of its newest row.
                let gone = self.alone(BEGIN_COUNTS, move |connection| {
                    Box::pin(remove_from(connection, table, day, Arc::clone(&own), at))
                });
                match table {
                    MESSAGES => deleted.messages += gone.await?,
                    _ => deleted.errors += gone.await?,
                }
            }
        }
        Ok(deleted)
    }

    /// Deletes what was refused of the user, in whichever conversation.
    async fn erase_rejects(&self, user: &Arc<User>, at: UnixMillis) -> Result<u64, StoreError> {
        let mut deleted = 0;
        let mut behind = Id::default();
        loop {
            let own = Arc::clone(user);
            let rows = self.alone(BEGIN_READING, move |connection| {
                Box::pin(rejects(connection, Arc::clone(&own), at, behind))
            });
            let rows = rows.await?;
            let Some(RejectRow(last)) = rows.last() else {
                return Ok(deleted);
            };
            behind = last.exchange;
            let own = rows.iter().filter(|RejectRow(row)| row.is_of(user));
            let ids: Arc<[PgId]> = own.map(|RejectRow(row)| PgId(row.exchange)).collect();
            deleted += self
                .alone(BEGIN, move |connection| {
                    let ids = Arc::clone(&ids);
                    Box::pin(async move {
                        let sql = "DELETE FROM recording_rejects WHERE exchange_id = ANY($1)";
                        let delete = sql_query(sql).bind::<Array<Uuid>, _>(&*ids);
                        delete.execute(connection).await.map(|rows| rows as u64)
                    })
                })
                .await?;
        }
    }

    async fn alone<T>(
        &self,
        begin: &str,
        work: impl for<'a> Fn(&'a mut AsyncPgConnection) -> Reading<'a, T>,
    ) -> Result<T, StoreError> {
        self.make_ready().await?;
        let mut lease = self.writers.lease().await?;
        let done = surely(&mut lease.session, begin, work).await;
        self.settle(lease, done, Doing::Deleting)
    }
}

struct NamedId {
    id: Id,
    session_id: String,
}

impl QueryableByName<Pg> for NamedId {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let PgId(id) = NamedRow::get::<Uuid, _>(row, "id")?;
        Ok(Self {
            id,
            session_id: NamedRow::get::<Text, _>(row, "session_id")?,
        })
    }
}

/// The next conversations that bear the user's name, behind so many that are others'.
async fn found(
    connection: &mut AsyncPgConnection,
    user: Arc<User>,
    at: UnixMillis,
    others: i64,
) -> QueryResult<Vec<NamedId>> {
    sql_query(
        "SELECT id, session_id FROM conversations WHERE tenant = $1 AND user_identifier = $2 \
         AND created_at <= $3 ORDER BY last_day, id OFFSET $4 LIMIT $5",
    )
    .bind::<Text, _>(&user.tenant)
    .bind::<Text, _>(&user.name)
    .bind::<Timestamptz, _>(time(at))
    .bind::<BigInt, _>(others)
    .bind::<BigInt, _>(AT_ONCE)
    .load(connection)
    .await
}

/// The days on which the user said something.
async fn days_of(
    connection: &mut AsyncPgConnection,
    table: &'static str,
    user: Arc<User>,
    at: UnixMillis,
) -> QueryResult<Vec<Day>> {
    let days: Vec<DayRow> = sql_query(format!(
        "SELECT DISTINCT (h.created_at AT TIME ZONE 'UTC')::date AS day FROM {table} AS h \
         WHERE h.user_id = $1 AND h.tenant = $2 AND h.created_at <= $3 ORDER BY day"
    ))
    .bind::<Text, _>(&user.name)
    .bind::<Text, _>(&user.tenant)
    .bind::<Timestamptz, _>(time(at))
    .load(connection)
    .await?;
    Ok(days.into_iter().map(|row| day_of(row.day)).collect())
}

async fn remove_from(
    connection: &mut AsyncPgConnection,
    table: &'static str,
    day: Day,
    user: Arc<User>,
    at: UnixMillis,
) -> QueryResult<u64> {
    let within = within(&[day]);
    let gone: Vec<ById> = sql_query(format!(
        "DELETE FROM {table} AS h WHERE h.user_id = $1 AND h.tenant = $2 AND h.created_at <= $3 \
         AND {within} RETURNING h.conversation_id AS id, 1::bigint AS value"
    ))
    .bind::<Text, _>(&user.name)
    .bind::<Text, _>(&user.tenant)
    .bind::<Timestamptz, _>(time(at))
    .load(connection)
    .await?;
    let touched: BTreeSet<Id> = gone.iter().map(|row| row.id).collect();
    let touched: Vec<PgId> = touched.into_iter().map(PgId).collect();
    forget_newest(connection, &touched).await?;
    count_again(connection, [day]).await?;
    connection.batch_execute(NOTE_DROP).await?;
    Ok(gone.len() as u64)
}

struct RejectRow(Rejected);

impl QueryableByName<Pg> for RejectRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let PgId(exchange) = NamedRow::get::<Uuid, _>(row, "exchange_id")?;
        let PgId(conversation) = NamedRow::get::<Uuid, _>(row, "conversation_id")?;
        Ok(Self(Rejected {
            exchange,
            conversation,
            payload: NamedRow::get::<Text, _>(row, "payload")?,
        }))
    }
}

async fn rejects(
    connection: &mut AsyncPgConnection,
    user: Arc<User>,
    at: UnixMillis,
    behind: Id,
) -> QueryResult<Vec<RejectRow>> {
    let [own, tenant] = user.in_json();
    sql_query(
        "SELECT exchange_id, conversation_id, payload FROM recording_rejects \
         WHERE exchange_id > $1 AND created_at <= $2 AND strpos(payload, $3) > 0 \
         AND strpos(payload, $4) > 0 ORDER BY exchange_id LIMIT $5",
    )
    .bind::<Uuid, _>(PgId(behind))
    .bind::<Timestamptz, _>(time(at))
    .bind::<Text, _>(own)
    .bind::<Text, _>(tenant)
    .bind::<BigInt, _>(REJECTS_AT_ONCE)
    .load(connection)
    .await
}

/// Deletes what was counted of the user. Where others bear the name, it is counted again.
async fn usage(
    connection: &mut AsyncPgConnection,
    user: Arc<User>,
    others: bool,
) -> QueryResult<u64> {
    let of_user = "tenant = $1 AND user_id = $2";
    if others {
        sql_query(format!(
            "UPDATE recording_days SET dirty = 1 WHERE dirty <> 1 \
             AND day IN (SELECT day FROM usage_daily WHERE {of_user})"
        ))
        .bind::<Text, _>(&user.tenant)
        .bind::<Text, _>(&user.name)
        .execute(connection)
        .await?;
    }
    let gone = sql_query(format!("DELETE FROM usage_daily WHERE {of_user}"))
        .bind::<Text, _>(&user.tenant)
        .bind::<Text, _>(&user.name)
        .execute(connection)
        .await?;
    connection.batch_execute(NOTE_DROP).await?;
    Ok(gone as u64)
}
