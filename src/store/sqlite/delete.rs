//! Deleting conversations with all their rows.

use std::collections::BTreeSet;

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    connection::Connections,
    days::{Mode, NumberRow},
    marks::{self, LATEST},
    meta,
    recall::marks as places,
    tables,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{Deleted, StoreError, UnixMillis, deletion::UNNAMED},
};

/// Rows that go in one transaction, each with its entries in three indexes: some tens of milliseconds.
pub(super) const ROWS_AT_ONCE: usize = 5_000;

/// Whose rows of closed days are in no count any more by themselves.
#[derive(Clone, Copy)]
pub(super) struct Uncounted<'a> {
    pub(super) user: &'a str,
}

/// Deletes these conversations. The last transaction takes the rest of all of them.
pub(super) fn conversations(
    connections: &Connections,
    ids: &[Id],
    at: UnixMillis,
    uncounted: Option<Uncounted<'_>>,
) -> Result<Deleted, StoreError> {
    let mut deleted = Deleted::default();
    let rows = connections.read(|connection, mode| count(connection, mode, ids))?;
    if rows > ROWS_AT_ONCE {
        loop {
            let part = connections.change(|connection, mode| {
                remember(connection, mode, ids, at)?;
                remove_rows(connection, mode, ids, ROWS_AT_ONCE, uncounted)
            })?;
            deleted += part;
            if part.messages + part.errors < ROWS_AT_ONCE as u64 {
                break;
            }
        }
    }
    deleted += connections.change(|connection, mode| {
        remember(connection, mode, ids, at)?;
        marks::leave(connection, ids.iter().map(|id| *id.as_bytes()), at)?;
        let mut rest = remove_rows(connection, mode, ids, usize::MAX, uncounted)?;
        let mut remove = |table: &str, column: &str| -> QueryResult<u64> {
            let sql = format!(
                "DELETE FROM {table} WHERE {column} IN ({})",
                places(ids.len())
            );
            of(sql_query(sql).into_boxed(), ids)
                .execute(connection)
                .map(|rows| rows as u64)
        };
        rest.rejects = remove("recording_rejects", "conversation_id")?;
        rest.responses = remove("response_ids", "conversation_id")?;
        rest.conversations = remove("conversations", "id")?;
        meta::begin_epoch(connection)?;
        Ok(rest)
    })?;
    Ok(deleted)
}

type Query<'a> = diesel::query_builder::BoxedSqlQuery<'a, Sqlite, diesel::query_builder::SqlQuery>;

fn of<'a>(mut query: Query<'a>, ids: &'a [Id]) -> Query<'a> {
    for id in ids {
        query = query.bind::<Binary, _>(id.as_bytes().as_slice());
    }
    query
}

/// The first and the last day of some conversations.
struct Span(Option<(Day, Day)>);

impl QueryableByName<Sqlite> for Span {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let day = |column: &str| -> deserialize::Result<Option<Day>> {
            let text: Option<String> = NamedRow::get::<Nullable<Text>, _>(row, column)?;
            Ok(text.as_deref().and_then(Day::parse))
        };
        Ok(Self(day("first_day")?.zip(day("last_day")?)))
    }
}

/// The tables that may have rows of these conversations, by kind.
fn tables_of(
    connection: &mut SqliteConnection,
    mode: Mode,
    ids: &[Id],
    prefix: &str,
) -> QueryResult<Vec<String>> {
    if mode == Mode::Single {
        return Ok(vec![prefix.to_owned()]);
    }
    let sql = format!(
        "SELECT min(first_day) AS first_day, max(last_day) AS last_day FROM conversations \
         WHERE id IN ({})",
        places(ids.len())
    );
    let Span(Some((first, last))) = of(sql_query(sql).into_boxed(), ids).get_result(connection)?
    else {
        return Ok(Vec::new());
    };
    let days = tables::days(connection, prefix)?;
    let days = days.into_iter().filter(|day| first <= *day && *day <= last);
    Ok(days.map(|day| day.table_name(prefix)).collect())
}

fn count(connection: &mut SqliteConnection, mode: Mode, ids: &[Id]) -> QueryResult<usize> {
    let mut rows = 0;
    for prefix in [MESSAGES, ERRORS] {
        for table in tables_of(connection, mode, ids, prefix)? {
            let sql = format!(
                "SELECT count(*) AS value FROM {table} WHERE conversation_id IN ({})",
                places(ids.len())
            );
            let count: NumberRow = of(sql_query(sql).into_boxed(), ids).get_result(connection)?;
            let count = count.value.and_then(|count| usize::try_from(count).ok());
            rows += count.unwrap_or(0);
        }
    }
    Ok(rows)
}

/// Leaves marks of the answers in conversations that have no name of their client's.
fn remember(
    connection: &mut SqliteConnection,
    mode: Mode,
    ids: &[Id],
    at: UnixMillis,
) -> QueryResult<()> {
    for table in tables_of(connection, mode, ids, MESSAGES)? {
        let sql = format!(
            "INSERT INTO recording_erasures (hash, erased_at) \
             SELECT DISTINCT h.chain_hash, {at} FROM conversations AS c CROSS JOIN {table} AS h \
             ON h.conversation_id = c.id WHERE c.id IN ({}) AND c.{UNNAMED} \
             AND h.role = 'assistant' AND h.chain_hash IS NOT NULL {LATEST}",
            places(ids.len())
        );
        of(sql_query(sql).into_boxed(), ids).execute(connection)?;
    }
    Ok(())
}

/// A row that went.
#[derive(QueryableByName)]
struct GoneRow {
    #[diesel(sql_type = BigInt)]
    created_at: UnixMillis,
    #[diesel(sql_type = Text)]
    user_id: String,
}

fn remove_rows(
    connection: &mut SqliteConnection,
    mode: Mode,
    ids: &[Id],
    most: usize,
    uncounted: Option<Uncounted<'_>>,
) -> QueryResult<Deleted> {
    let mut deleted = Deleted::default();
    let mut left = most;
    let mut dirty = BTreeSet::new();
    for prefix in [MESSAGES, ERRORS] {
        for table in tables_of(connection, mode, ids, prefix)? {
            let limit = i64::try_from(left).unwrap_or(i64::MAX);
            let sql = format!(
                "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} \
                 WHERE conversation_id IN ({}) LIMIT {limit}) RETURNING created_at, user_id",
                places(ids.len())
            );
            let gone: Vec<GoneRow> = of(sql_query(sql).into_boxed(), ids).load(connection)?;
            left -= gone.len();
            let rows = gone.len() as u64;
            match prefix {
                MESSAGES => deleted.messages += rows,
                _ => deleted.errors += rows,
            }
            let counted = gone
                .iter()
                .filter(|row| uncounted.is_none_or(|uncounted| uncounted.user != row.user_id));
            dirty.extend(counted.map(|row| Day::from_unix_ms(row.created_at)));
        }
    }
    forget_newest(connection, ids)?;
    count_again(connection, dirty)?;
    Ok(deleted)
}

/// Has the newest rows of these conversations looked up until their last day is counted again.
pub(super) fn forget_newest(connection: &mut SqliteConnection, ids: &[Id]) -> QueryResult<()> {
    for id in ids {
        sql_query("UPDATE conversations SET newest_at = NULL WHERE id = ?")
            .bind::<Binary, _>(id.as_bytes().as_slice())
            .execute(connection)?;
    }
    Ok(())
}

/// Has closed days counted again.
pub(super) fn count_again(
    connection: &mut SqliteConnection,
    days: impl IntoIterator<Item = Day>,
) -> QueryResult<()> {
    for day in days {
        sql_query("UPDATE recording_days SET dirty = 1 WHERE day = ? AND closed_at IS NOT NULL")
            .bind::<Text, _>(day.to_string())
            .execute(connection)?;
    }
    Ok(())
}
