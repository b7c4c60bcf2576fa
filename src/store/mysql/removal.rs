//! Deleting rows that no table of their own is dropped with, some thousand at a time.

use std::ops::AddAssign;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Binary, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    datetime::Millis,
    days::TextRow,
    error::Answer,
    layout::{self, Layout},
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

/// What holds of a conversation all of whose days were dropped.
const HAS_NOTHING: &str = "NOT EXISTS (SELECT 1 FROM recording_days AS d \
     WHERE d.day BETWEEN conversations.first_day AND conversations.last_day)";

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

/// Removes the conversations that were last active before this day and have no day left.
pub(super) async fn remove_conversations(
    connection: &mut AsyncMysqlConnection,
    end: Day,
) -> Answer<()> {
    let mut after = Vec::new();
    loop {
        let rows: Vec<IdRow> = sql_query(format!(
            "SELECT id AS value FROM conversations WHERE last_day < ? AND {HAS_NOTHING} AND id > ? \
             ORDER BY id LIMIT {LONGEST_LIST}"
        ))
        .bind::<Text, _>(end.to_string())
        .bind::<Binary, _>(&after)
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
        // Who writes meanwhile has made them anew, or will.
        connection.batch_execute("START TRANSACTION").await?;
        Layout::lock(connection).await?;
        let ids = filled(ids.into_iter().map(Value::Bytes).collect());
        let delete = Statement {
            sql: &format!(
                "DELETE FROM conversations WHERE id IN ({}) AND {HAS_NOTHING}",
                marks(ids.len())
            ),
            values: &ids,
        };
        delete.execute(connection).await?;
        layout::count(connection, "removals").await?;
        connection.batch_execute("COMMIT").await?;
    }
}

/// Deletes the rows before this day, but for those of the days that are kept, from the single tables.
/// Their index on users leads to them. Says how many of each kind they were.
pub(super) async fn delete_rows(
    connection: &mut AsyncMysqlConnection,
    end: Day,
    kept: &[Day],
) -> Answer<Deleted> {
    let kept: Vec<String> = kept.iter().map(|day| format!("'{day}'")).collect();
    let condition = match kept.as_slice() {
        [] => "created_at < ?".to_owned(),
        kept => format!(
            "created_at < ? AND DATE(created_at) NOT IN ({})",
            kept.join(", ")
        ),
    };
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
            *deleted += delete_of_users(connection, prefix, &users, end, &condition).await?;
        }
    }
    Ok(deleted)
}

async fn delete_of_users(
    connection: &mut AsyncMysqlConnection,
    prefix: &str,
    users: &[TextRow],
    end: Day,
    condition: &str,
) -> Answer<usize> {
    let users = users.iter().map(|row| Value::Text(&row.value)).collect();
    let users = filled(users);
    let sql = format!(
        "DELETE FROM {prefix} WHERE user_id IN ({}) AND {condition} LIMIT {ROWS_AT_ONCE}",
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
