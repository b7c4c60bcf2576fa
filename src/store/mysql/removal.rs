//! Deleting rows that no table of their own is dropped with, some thousand at a time.

use std::ops::AddAssign;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days::TextRow,
    error::Answer,
    read::as_limit,
    statement::{LONGEST_LIST, Statement, Value, filled, marks},
};
use crate::partition::{Day, ERRORS, MESSAGES};

/// Rows deleted by one statement: some 100 ms of the server's time.
const ROWS_AT_ONCE: usize = 5_000;
/// Users whose rows are deleted by one statement.
const USERS_AT_ONCE: usize = 64;
/// Rows deleted from the single tables: messages, and failed exchanges.
#[derive(Clone, Copy, Default)]
pub(super) struct Deleted(pub(super) [usize; 2]);

impl AddAssign for Deleted {
    fn add_assign(&mut self, other: Self) {
        for (sum, rows) in self.0.iter_mut().zip(other.0) {
            *sum += rows;
        }
    }
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

/// Removes the conversations that were last active before this day.
pub(super) async fn remove_conversations(
    connection: &mut AsyncMysqlConnection,
    end: Day,
) -> Answer<()> {
    let mut after = Vec::new();
    loop {
        let rows: Vec<IdRow> = sql_query(
            "SELECT id AS value FROM conversations WHERE last_day < ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind::<Text, _>(end.to_string())
        .bind::<Binary, _>(&after)
        .bind::<BigInt, _>(as_limit(LONGEST_LIST))
        .load(connection)
        .await?;
        let ids: Vec<[u8; 16]> = rows
            .iter()
            .filter_map(|row| row.value.as_slice().try_into().ok())
            .collect();
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = last.to_vec();
        let end = end.to_string();
        let ids = filled(ids.into_iter().map(Value::Bytes).collect());
        let sql = format!(
            "DELETE FROM conversations WHERE last_day < ? AND id IN ({})",
            marks(ids.len())
        );
        let mut values = vec![Value::Text(&end)];
        values.extend(ids);
        let delete = Statement {
            sql: &sql,
            values: &values,
        };
        delete.execute(connection).await?;
    }
}

/// Deletes the rows before this day from the single tables, and says how many of each kind they
/// were. Their index on users leads to them.
pub(super) async fn delete_rows(
    connection: &mut AsyncMysqlConnection,
    end: Day,
) -> Answer<Deleted> {
    let mut deleted = Deleted::default();
    for (prefix, deleted) in [MESSAGES, ERRORS].into_iter().zip(&mut deleted.0) {
        let mut from = String::new();
        loop {
            let users: Vec<TextRow> = sql_query(format!(
                "SELECT DISTINCT user_id AS value FROM {prefix} WHERE user_id >= ? \
                 ORDER BY user_id LIMIT {USERS_AT_ONCE}"
            ))
            .bind::<Text, _>(&from)
            .load(connection)
            .await?;
            let Some(last) = users.last() else {
                break;
            };
            // The next name there can be.
            from = format!("{}\0", last.value);
            *deleted += delete_of_users(connection, prefix, &users, end).await?;
        }
    }
    Ok(deleted)
}

async fn delete_of_users(
    connection: &mut AsyncMysqlConnection,
    prefix: &str,
    users: &[TextRow],
    end: Day,
) -> Answer<usize> {
    let users = users.iter().map(|row| Value::Text(&row.value)).collect();
    let users = filled(users);
    let sql = format!(
        "DELETE FROM {prefix} WHERE user_id IN ({}) AND created_at < ? LIMIT {ROWS_AT_ONCE}",
        marks(users.len())
    );
    let mut values = users;
    values.push(Value::Time(Millis(end.start_ms())));
    let delete = Statement {
        sql: &sql,
        values: &values,
    };
    let mut deleted = 0;
    loop {
        let rows = delete.execute(connection).await?;
        deleted += rows;
        if rows < ROWS_AT_ONCE {
            return Ok(deleted);
        }
    }
}

/// Deletes what is older than this day.
pub(super) async fn forget(
    connection: &mut AsyncMysqlConnection,
    table: &str,
    column: &str,
    before: Day,
) -> Answer<()> {
    let mut rows = ROWS_AT_ONCE;
    while rows == ROWS_AT_ONCE {
        rows = sql_query(format!(
            "DELETE FROM {table} WHERE {column} < ? LIMIT {ROWS_AT_ONCE}"
        ))
        .bind::<Text, _>(before.to_string())
        .execute(connection)
        .await?;
    }
    Ok(())
}
