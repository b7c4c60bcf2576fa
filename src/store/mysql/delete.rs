//! Deleting conversations with all their rows.

use std::{collections::BTreeSet, sync::Arc};

use diesel::{
    QueryableByName,
    sql_types::{Date, Nullable},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    alone::Beside,
    connection::Connections,
    datetime::Millis,
    days::{self, NumberRow, TextRow},
    error::{Answer, NO_SUCH_TABLE},
    layout::{self, Mode},
    marks::{self, LATEST},
    read::{tables, unless_dropped},
    statement::{Once, Statement, Value, marks as places},
    write::enter,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{
        Deleted, StoreError, UnixMillis,
        deletion::{Mark, UNNAMED},
    },
};

/// Rows that go in one transaction: some 100 ms of the server's time.
pub(super) const ROWS_AT_ONCE: usize = 5_000;

/// Conversations that are deleted together.
#[derive(Clone)]
pub(super) struct Doomed {
    pub(super) ids: Arc<[Id]>,
    pub(super) at: UnixMillis,
    /// Whose rows of closed days are in no count any more by themselves.
    pub(super) uncounted: Option<String>,
}

impl Doomed {
    pub(super) fn new(ids: &[Id], at: UnixMillis) -> Self {
        Self {
            ids: ids.into(),
            at,
            uncounted: None,
        }
    }

    fn values(&self) -> Vec<Value<'_>> {
        let ids = self.ids.iter();
        ids.map(|id| Value::Bytes(*id.as_bytes())).collect()
    }
}

/// Deletes these conversations. The last transaction takes the rest of all of them.
pub(super) async fn conversations(
    connections: &Connections,
    doomed: &Doomed,
) -> Result<Deleted, StoreError> {
    let mut deleted = Deleted::default();
    let own = doomed.clone();
    let rows = connections.surely(Beside::Batches, move |connection, mode| {
        let doomed = own.clone();
        Box::pin(async move { count(connection, mode, &doomed).await })
    });
    if rows.await? > ROWS_AT_ONCE {
        loop {
            let doomed = doomed.clone();
            let part = connections.surely(Beside::Batches, move |connection, mode| {
                let doomed = doomed.clone();
                Box::pin(async move { remove_rows(connection, mode, &doomed, ROWS_AT_ONCE).await })
            });
            let part = part.await?;
            deleted += part;
            if part.messages + part.errors < ROWS_AT_ONCE as u64 {
                break;
            }
        }
    }
    let doomed = doomed.clone();
    let rest = connections.surely(Beside::Nobody, move |connection, mode| {
        let doomed = doomed.clone();
        Box::pin(async move { remove(connection, mode, &doomed).await })
    });
    deleted += rest.await?;
    Ok(deleted)
}

async fn remove(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    doomed: &Doomed,
) -> Answer<Deleted> {
    let marks: Vec<Mark> = doomed.ids.iter().map(|id| *id.as_bytes()).collect();
    marks::leave(connection, &marks, doomed.at).await?;
    let mut deleted = remove_rows(connection, mode, doomed, usize::MAX).await?;
    let values = doomed.values();
    for (table, column, gone) in [
        ("recording_rejects", "conversation_id", &mut deleted.rejects),
        ("response_ids", "conversation_id", &mut deleted.responses),
        ("conversations", "id", &mut deleted.conversations),
    ] {
        let delete = Once(Statement {
            sql: &format!(
                "DELETE FROM {table} WHERE {column} IN ({})",
                places(values.len())
            ),
            values: &values,
        });
        *gone = delete.execute(connection).await? as u64;
    }
    layout::count(connection, "removals").await?;
    Ok(deleted)
}

#[derive(QueryableByName)]
struct Span {
    #[diesel(sql_type = Nullable<Date>)]
    first_day: Option<Day>,
    #[diesel(sql_type = Nullable<Date>)]
    last_day: Option<Day>,
}

/// The tables that may have rows of these conversations, by kind.
async fn tables_of(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    doomed: &Doomed,
    prefix: &str,
) -> Answer<Vec<String>> {
    let values = doomed.values();
    let span = Once(Statement {
        sql: &format!(
            "SELECT MIN(first_day) AS first_day, MAX(last_day) AS last_day FROM conversations \
             WHERE id IN ({})",
            places(values.len())
        ),
        values: &values,
    });
    let span: Span = span.get_result(connection).await?;
    match span.first_day.zip(span.last_day) {
        Some((first, last)) => tables(connection, mode, prefix, first, last).await,
        None => Ok(Vec::new()),
    }
}

async fn count(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    doomed: &Doomed,
) -> Answer<usize> {
    let values = doomed.values();
    let mut rows = 0;
    for prefix in [MESSAGES, ERRORS] {
        for table in tables_of(connection, mode, doomed, prefix).await? {
            let count = Once(Statement {
                sql: &format!(
                    "SELECT COUNT(*) AS value FROM {table} WHERE conversation_id IN ({})",
                    places(values.len())
                ),
                values: &values,
            });
            let count = count.get_result::<NumberRow>(connection).await;
            let count = unless_dropped(connection, count.map_err(Into::into)).await?;
            let count = count.and_then(|row| usize::try_from(row.value?).ok());
            rows += count.unwrap_or(0);
        }
    }
    Ok(rows)
}

async fn remove_rows(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    doomed: &Doomed,
    most: usize,
) -> Answer<Deleted> {
    let mut deleted = Deleted::default();
    let mut left = most;
    for prefix in [MESSAGES, ERRORS] {
        for table in tables_of(connection, mode, doomed, prefix).await? {
            if prefix == MESSAGES {
                let remembered = remember(connection, doomed, &table).await;
                unless_dropped(connection, remembered).await?;
            }
            let gone = remove_from(connection, doomed, &table, left).await;
            let gone = unless_dropped(connection, gone).await?.unwrap_or(0);
            left -= gone;
            match prefix {
                MESSAGES => deleted.messages += gone as u64,
                _ => deleted.errors += gone as u64,
            }
        }
    }
    forget_newest(connection, doomed).await?;
    Ok(deleted)
}

/// Has the newest rows of these conversations looked up until their last day is counted again.
async fn forget_newest(connection: &mut AsyncMysqlConnection, doomed: &Doomed) -> Answer<()> {
    let values = doomed.values();
    let forget = Once(Statement {
        sql: &format!(
            "UPDATE conversations SET newest_at = NULL \
             WHERE id IN ({}) AND newest_at IS NOT NULL",
            places(values.len())
        ),
        values: &values,
    });
    forget.execute(connection).await?;
    Ok(())
}

/// Leaves marks of the answers in conversations that have no name of their client's.
async fn remember(
    connection: &mut AsyncMysqlConnection,
    doomed: &Doomed,
    table: &str,
) -> Answer<()> {
    let mut values = vec![Value::Time(Millis(doomed.at))];
    values.extend(doomed.values());
    let remember = Once(Statement {
        sql: &format!(
            "INSERT INTO recording_erasures (hash, erased_at) \
             SELECT DISTINCT h.chain_hash, ? FROM conversations AS c STRAIGHT_JOIN {table} AS h \
             ON h.conversation_id = c.id WHERE c.id IN ({}) AND c.{UNNAMED} \
             AND h.role = 'assistant' AND h.chain_hash IS NOT NULL {LATEST}",
            places(doomed.ids.len())
        ),
        values: &values,
    });
    remember.execute(connection).await?;
    Ok(())
}

async fn remove_from(
    connection: &mut AsyncMysqlConnection,
    doomed: &Doomed,
    table: &str,
    most: usize,
) -> Answer<usize> {
    let mut values = doomed.values();
    let condition = format!("conversation_id IN ({})", places(values.len()));
    let mut counted = condition.clone();
    if let Some(user) = &doomed.uncounted {
        values.push(Value::Text(user));
        counted += " AND user_id <> ?";
    }
    let dirty = Once(Statement {
        sql: &format!(
            "SELECT DISTINCT CAST(DATE(created_at) AS CHAR) AS value FROM {table} WHERE {counted}"
        ),
        values: &values,
    });
    let dirty: Vec<TextRow> = dirty.load(connection).await?;
    let dirty: BTreeSet<Day> = days::parse(&dirty).into_iter().collect();
    count_again(connection, dirty).await?;
    values.truncate(doomed.ids.len());
    let delete = Once(Statement {
        sql: &format!("DELETE FROM {table} WHERE {condition} LIMIT {most}"),
        values: &values,
    });
    Ok(delete.execute(connection).await?)
}

/// Has days counted again, and keeps them from being closed until the transaction ends.
pub(super) async fn count_again(
    connection: &mut AsyncMysqlConnection,
    days: impl IntoIterator<Item = Day>,
) -> Answer<()> {
    for day in days {
        match enter(connection, day).await {
            // Who makes it anew counts what there is then.
            Err(fault) if fault.is(NO_SUCH_TABLE) => {}
            entered => entered?,
        }
    }
    Ok(())
}
