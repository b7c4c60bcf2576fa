//! Deleting all that a user said.

use std::sync::Arc;

use diesel::{
    QueryableByName, deserialize,
    mysql::Mysql,
    row::NamedRow,
    sql_types::{Binary, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    alone::Beside,
    connection::Connections,
    datetime::Millis,
    days::{self, TextRow},
    delete::{Doomed, ROWS_AT_ONCE, conversations, count_again},
    error::Answer,
    layout::{self, Layout},
    marks,
    read::{tables, unless_dropped},
    statement::{Once, Statement, Value, marks as places},
    turn,
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

/// Deletes a user.
pub(super) async fn user(
    connections: &Connections,
    user: Arc<User>,
    at: UnixMillis,
) -> Result<Deleted, StoreError> {
    let mark = user.mark();
    connections
        .surely(Beside::Nobody, move |connection, _| {
            Box::pin(async move { marks::leave(connection, &[mark], at).await })
        })
        .await?;
    let mut deleted = Deleted::default();
    let mut others = 0;
    loop {
        let own = Arc::clone(&user);
        let found = connections.surely(Beside::Batches, move |connection, _| {
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
            deleted += conversations(connections, &doomed).await?;
        }
    }
    if user.whose == Whose::Bearing {
        deleted += elsewhere(connections, &user, at).await?;
    }
    deleted.rejects += rejects(connections, &user, at).await?;
    deleted.usage += connections
        .keep(move |session| {
            Box::pin(async move { usage(&mut session.connection, &user, others > 0).await })
        })
        .await?;
    Ok(deleted)
}

struct NamedId {
    id: Id,
    session_id: String,
}

fn id<'a>(row: &impl NamedRow<'a, Mysql>, column: &str) -> deserialize::Result<Id> {
    let bytes: Vec<u8> = NamedRow::get::<Binary, _>(row, column)?;
    let bytes = bytes.try_into().map_err(|_| "not 16 bytes")?;
    Ok(Id::from_bytes(bytes))
}

impl QueryableByName<Mysql> for NamedId {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        Ok(Self {
            id: id(row, "id")?,
            session_id: NamedRow::get::<Text, _>(row, "session_id")?,
        })
    }
}

/// The next conversations that bear the user's name, behind so many that are others'.
async fn found(
    connection: &mut AsyncMysqlConnection,
    user: Arc<User>,
    at: UnixMillis,
    others: i64,
) -> Answer<Vec<NamedId>> {
    let find = Statement {
        sql: "SELECT id, session_id FROM conversations WHERE tenant = ? AND user_identifier = ? \
              AND created_at <= ? ORDER BY last_day, id LIMIT ? OFFSET ?",
        values: &[
            Value::Text(&user.tenant),
            Value::Text(&user.name),
            Value::Time(Millis(at)),
            Value::Number(AT_ONCE),
            Value::Number(others),
        ],
    };
    Ok(find.load(connection).await?)
}

/// Deletes what the user said in conversations that bear another's name.
async fn elsewhere(
    connections: &Connections,
    user: &Arc<User>,
    at: UnixMillis,
) -> Result<Deleted, StoreError> {
    let mut deleted = Deleted::default();
    for prefix in [MESSAGES, ERRORS] {
        let tables = connections.surely(Beside::Batches, move |connection, mode| {
            Box::pin(tables(connection, mode, prefix, Day::MIN, Day::MAX))
        });
        for table in tables.await? {
            let table: Arc<str> = table.into();
            loop {
                let (own, table) = (Arc::clone(user), Arc::clone(&table));
                let gone = connections.surely(Beside::Batches, move |connection, _| {
                    let (user, table) = (Arc::clone(&own), Arc::clone(&table));
                    Box::pin(async move {
                        let gone = remove_from(connection, &table, &user, at).await;
                        Ok(unless_dropped(connection, gone).await?.unwrap_or(0))
                    })
                });
                let gone = gone.await?;
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

async fn remove_from(
    connection: &mut AsyncMysqlConnection,
    table: &str,
    user: &User,
    at: UnixMillis,
) -> Answer<usize> {
    let values = [
        Value::Text(&user.name),
        Value::Time(Millis(at)),
        Value::Text(&user.tenant),
    ];
    let condition = "user_id = ? AND created_at <= ? AND tenant = ?";
    let dirty = Once(Statement {
        sql: &format!(
            "SELECT DISTINCT CAST(DATE(created_at) AS CHAR) AS value FROM {table} WHERE {condition}"
        ),
        values: &values,
    });
    let dirty: Vec<TextRow> = dirty.load(connection).await?;
    count_again(connection, days::parse(&dirty)).await?;
    // Their newest rows are looked up until their last day is counted again.
    let forget = Once(Statement {
        sql: &format!(
            "UPDATE conversations AS c JOIN \
             (SELECT DISTINCT conversation_id AS touched FROM {table} WHERE {condition}) AS t \
             ON t.touched = c.id SET c.newest_at = NULL WHERE c.newest_at IS NOT NULL"
        ),
        values: &values,
    });
    forget.execute(connection).await?;
    let delete = Once(Statement {
        sql: &format!("DELETE FROM {table} WHERE {condition} LIMIT {ROWS_AT_ONCE}"),
        values: &values,
    });
    Ok(delete.execute(connection).await?)
}

struct RejectRow(Rejected);

impl QueryableByName<Mysql> for RejectRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        Ok(Self(Rejected {
            exchange: id(row, "exchange_id")?,
            conversation: id(row, "conversation_id")?,
            payload: NamedRow::get::<Text, _>(row, "payload")?,
        }))
    }
}

/// Deletes what was refused of the user, in whichever conversation.
async fn rejects(
    connections: &Connections,
    user: &Arc<User>,
    at: UnixMillis,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    let mut behind = Id::default();
    loop {
        let own = Arc::clone(user);
        let rows = connections.surely(Beside::Batches, move |connection, _| {
            Box::pin(some_rejects(connection, Arc::clone(&own), at, behind))
        });
        let rows = rows.await?;
        let Some(RejectRow(last)) = rows.last() else {
            return Ok(deleted);
        };
        behind = last.exchange;
        let own = rows.iter().filter(|RejectRow(row)| row.is_of(user));
        let ids: Arc<[Id]> = own.map(|RejectRow(row)| row.exchange).collect();
        if ids.is_empty() {
            continue;
        }
        deleted += connections
            .surely(Beside::Batches, move |connection, _| {
                let ids = Arc::clone(&ids);
                Box::pin(async move {
                    let values: Vec<_> =
                        ids.iter().map(|id| Value::Bytes(*id.as_bytes())).collect();
                    let sql = format!(
                        "DELETE FROM recording_rejects WHERE exchange_id IN ({})",
                        places(values.len())
                    );
                    let delete = Once(Statement {
                        sql: &sql,
                        values: &values,
                    });
                    Ok(delete.execute(connection).await? as u64)
                })
            })
            .await?;
    }
}

async fn some_rejects(
    connection: &mut AsyncMysqlConnection,
    user: Arc<User>,
    at: UnixMillis,
    behind: Id,
) -> Answer<Vec<RejectRow>> {
    let [own, tenant] = user.in_json();
    let find = Statement {
        sql: "SELECT exchange_id, conversation_id, payload FROM recording_rejects \
              WHERE exchange_id > ? AND created_at <= ? AND INSTR(payload, ?) > 0 \
              AND INSTR(payload, ?) > 0 ORDER BY exchange_id LIMIT ?",
        values: &[
            Value::Bytes(*behind.as_bytes()),
            Value::Time(Millis(at)),
            Value::Text(&own),
            Value::Text(&tenant),
            Value::Number(REJECTS_AT_ONCE),
        ],
    };
    Ok(find.load(connection).await?)
}

/// Deletes what was counted of the user, while nobody counts a day. Where others bear the name, it
/// is counted again.
async fn usage(connection: &mut AsyncMysqlConnection, user: &User, others: bool) -> Answer<u64> {
    turn::take(connection).await?;
    let deleted = usage_alone(connection, user, others).await;
    turn::end(connection, deleted).await
}

async fn usage_alone(
    connection: &mut AsyncMysqlConnection,
    user: &User,
    others: bool,
) -> Answer<u64> {
    let values = [Value::Text(&user.tenant), Value::Text(&user.name)];
    connection.batch_execute("START TRANSACTION").await?;
    Layout::lock(connection).await?;
    if others {
        let dirty = Statement {
            sql: "SELECT DISTINCT CAST(day AS CHAR) AS value FROM usage_daily \
                  WHERE tenant = ? AND user_id = ?",
            values: &values,
        };
        let dirty: Vec<TextRow> = dirty.load(connection).await?;
        count_again(connection, days::parse(&dirty)).await?;
    }
    let delete = Statement {
        sql: "DELETE FROM usage_daily WHERE tenant = ? AND user_id = ?",
        values: &values,
    };
    let gone = delete.execute(connection).await?;
    layout::count(connection, "removals").await?;
    connection.batch_execute("COMMIT").await?;
    Ok(gone as u64)
}
