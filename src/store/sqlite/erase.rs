//! Deleting all that a user said.

use std::collections::BTreeSet;

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Binary, Text},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    connection::Connections,
    days::{self, Mode, TextRow},
    delete::{ROWS_AT_ONCE, Uncounted, conversations, count_again, forget_newest},
    marks, meta,
    recall::id,
    tables,
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
const AT_ONCE: usize = 100;
/// Rejected exchanges looked at together, each of up to a megabyte.
const REJECTS_AT_ONCE: usize = 20;

/// Deletes a user.
pub(super) fn user(
    connections: &Connections,
    user: &User,
    at: UnixMillis,
) -> Result<Deleted, StoreError> {
    connections.change(|connection, _| marks::leave(connection, [user.mark()], at))?;
    let mut deleted = Deleted::default();
    let mut others = 0;
    loop {
        let found: Vec<NamedId> =
            connections.read(|connection, _| found(connection, user, at, others))?;
        if found.is_empty() {
            break;
        }
        let all = found.len();
        let own = found
            .into_iter()
            .filter(|row| user.has(&row.session_id, row.id));
        let ids: Vec<Id> = own.map(|row| row.id).collect();
        others += all - ids.len();
        if !ids.is_empty() {
            let uncounted = Some(Uncounted { user: &user.name });
            deleted += conversations(connections, &ids, at, uncounted)?;
        }
    }
    if user.whose == Whose::Bearing {
        deleted += elsewhere(connections, user, at)?;
    }
    deleted.rejects += rejects(connections, user, at)?;
    deleted.usage += connections.change(|connection, _| {
        let others = others > 0;
        let usage = usage(connection, user, others)?;
        meta::begin_epoch(connection)?;
        Ok(usage)
    })?;
    connections.empty_journal();
    Ok(deleted)
}

struct NamedId {
    id: Id,
    session_id: String,
}

impl QueryableByName<Sqlite> for NamedId {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self {
            id: id(row, "id")?,
            session_id: NamedRow::get::<Text, _>(row, "session_id")?,
        })
    }
}

/// The next conversations that bear the user's name, behind so many that are others'.
fn found(
    connection: &mut SqliteConnection,
    user: &User,
    at: UnixMillis,
    others: usize,
) -> QueryResult<Vec<NamedId>> {
    sql_query(format!(
        "SELECT id, session_id FROM conversations WHERE tenant = ? AND user_identifier = ? \
         AND created_at <= ? ORDER BY last_day, first_day LIMIT {AT_ONCE} OFFSET {others}"
    ))
    .bind::<Text, _>(&user.tenant)
    .bind::<Text, _>(&user.name)
    .bind::<BigInt, _>(at)
    .load(connection)
}

/// Deletes what the user said in conversations that bear another's name.
fn elsewhere(
    connections: &Connections,
    user: &User,
    at: UnixMillis,
) -> Result<Deleted, StoreError> {
    let mut deleted = Deleted::default();
    for prefix in [MESSAGES, ERRORS] {
        let tables = connections.read(|connection, mode| match mode {
            Mode::Daily => {
                let days = tables::days(connection, prefix)?;
                Ok(days.iter().map(|day| day.table_name(prefix)).collect())
            }
            Mode::Single => Ok(vec![prefix.to_owned()]),
        })?;
        for table in tables {
            loop {
                let gone = connections
                    .change(|connection, _| remove_from(connection, &table, user, at))?;
                match prefix {
                    MESSAGES => deleted.messages += gone as u64,
                    _ => deleted.errors += gone as u64,
                }
                if gone < ROWS_AT_ONCE {
                    break;
                }
            }
        }
    }
    Ok(deleted)
}

struct GoneRow {
    created_at: UnixMillis,
    conversation: Id,
}

impl QueryableByName<Sqlite> for GoneRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self {
            created_at: NamedRow::get::<BigInt, _>(row, "created_at")?,
            conversation: id(row, "conversation_id")?,
        })
    }
}

fn remove_from(
    connection: &mut SqliteConnection,
    table: &str,
    user: &User,
    at: UnixMillis,
) -> QueryResult<usize> {
    if !tables::exists(connection, table)? {
        return Ok(0);
    }
    let gone: Vec<GoneRow> = sql_query(format!(
        "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE user_id = ? \
         AND created_at <= ? AND tenant = ? LIMIT {ROWS_AT_ONCE}) RETURNING created_at, conversation_id"
    ))
    .bind::<Text, _>(&user.name)
    .bind::<BigInt, _>(at)
    .bind::<Text, _>(&user.tenant)
    .load(connection)?;
    let mut days: Vec<Day> = gone
        .iter()
        .map(|row| Day::from_unix_ms(row.created_at))
        .collect();
    days.dedup();
    let touched: BTreeSet<Id> = gone.iter().map(|row| row.conversation).collect();
    forget_newest(connection, &Vec::from_iter(touched))?;
    count_again(connection, days)?;
    if !gone.is_empty() {
        meta::begin_epoch(connection)?;
    }
    Ok(gone.len())
}

struct RejectRow(Rejected);

impl QueryableByName<Sqlite> for RejectRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self(Rejected {
            exchange: id(row, "exchange_id")?,
            conversation: id(row, "conversation_id")?,
            payload: NamedRow::get::<Text, _>(row, "payload")?,
        }))
    }
}

/// Deletes what was refused of the user, in whichever conversation.
fn rejects(connections: &Connections, user: &User, at: UnixMillis) -> Result<u64, StoreError> {
    let [own, tenant] = user.in_json();
    let mut deleted = 0;
    let mut behind = Id::default();
    loop {
        let rows: Vec<RejectRow> = connections.read(|connection, _| {
            sql_query(format!(
                "SELECT exchange_id, conversation_id, payload FROM recording_rejects \
                 WHERE exchange_id > ? AND created_at <= ? AND instr(payload, ?) > 0 \
                 AND instr(payload, ?) > 0 ORDER BY exchange_id LIMIT {REJECTS_AT_ONCE}"
            ))
            .bind::<Binary, _>(behind.as_bytes().as_slice())
            .bind::<BigInt, _>(at)
            .bind::<Text, _>(&own)
            .bind::<Text, _>(&tenant)
            .load(connection)
        })?;
        let Some(RejectRow(last)) = rows.last() else {
            return Ok(deleted);
        };
        behind = last.exchange;
        let own = rows.into_iter().filter(|RejectRow(row)| row.is_of(user));
        let ids: Vec<Id> = own.map(|RejectRow(row)| row.exchange).collect();
        deleted += connections.change(|connection, _| {
            let mut gone = 0;
            for id in &ids {
                gone += sql_query("DELETE FROM recording_rejects WHERE exchange_id = ?")
                    .bind::<Binary, _>(id.as_bytes().as_slice())
                    .execute(connection)? as u64;
            }
            Ok(gone)
        })?;
    }
}

/// Deletes what was counted of the user. Where others bear the name, it is counted again.
fn usage(connection: &mut SqliteConnection, user: &User, others: bool) -> QueryResult<u64> {
    if others {
        let rows: Vec<TextRow> = sql_query(
            "SELECT DISTINCT day AS value FROM usage_daily WHERE tenant = ? AND user_id = ?",
        )
        .bind::<Text, _>(&user.tenant)
        .bind::<Text, _>(&user.name)
        .load(connection)?;
        count_again(connection, days::parse(&rows))?;
    }
    sql_query("DELETE FROM usage_daily WHERE tenant = ? AND user_id = ?")
        .bind::<Text, _>(&user.tenant)
        .bind::<Text, _>(&user.name)
        .execute(connection)
        .map(|rows| rows as u64)
}
