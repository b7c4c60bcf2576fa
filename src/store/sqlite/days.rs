//! The tables of days, and the views over them.

use std::fmt::Write as _;

use diesel::{
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
    sqlite::SqliteConnection,
};

use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::Partition,
};

/// SQLite unions at most 500 selects.
const VIEWED_DAYS: usize = 400;

/// The guide's own view, with the same names in both modes. The scalar subquery lets SQLite push a
/// condition down into every day, which a join would not.
const CONVERSATION_MESSAGES: &str = "CREATE VIEW conversation_messages AS SELECT \
     h.id, h.conversation_id, \
     (SELECT c.session_id FROM conversations c WHERE c.id = h.conversation_id) AS session_id, \
     h.role, h.content, h.model_name, h.token_count, \
     strftime('%Y-%m-%dT%H:%M:%fZ', h.created_at / 1000.0, 'unixepoch') AS timestamp, \
     h.user_id, h.exchange_id, h.message_id, h.prompt_tokens, h.completion_tokens, \
     h.total_tokens, h.created_at FROM conversation_histories h";

/// Whether a day has tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Daily,
    Single,
}

impl Mode {
    /// The word in `recording_meta`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Single => "single",
        }
    }

    /// The table that holds this day's rows of one kind.
    pub(super) fn table(self, prefix: &str, day: Day) -> String {
        match self {
            Self::Daily => day.table_name(prefix),
            Self::Single => prefix.to_owned(),
        }
    }
}

/// One column of text.
#[derive(QueryableByName)]
pub(super) struct TextRow {
    #[diesel(sql_type = Text)]
    pub(super) value: String,
}

/// One number.
#[derive(QueryableByName)]
pub(super) struct NumberRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) value: Option<i64>,
}

/// Makes the missing tables of these days, inside the caller's immediate transaction, and says whether any was missing.
pub(super) fn make(
    connection: &mut SqliteConnection,
    mode: Mode,
    days: &[Day],
) -> QueryResult<bool> {
    let mut made = false;
    for day in days {
        for prefix in [MESSAGES, ERRORS] {
            let table = mode.table(prefix, *day);
            if !exists(connection, &table)? {
                make_table(connection, prefix, &table)?;
                made = true;
            }
        }
        if mode == Mode::Daily {
            sql_query("INSERT INTO recording_days (day) VALUES (?) ON CONFLICT DO NOTHING")
                .bind::<Text, _>(day.to_string())
                .execute(connection)?;
        }
    }
    if made {
        let views = connection.transaction(|connection| replace_views(connection, mode));
        if let Err(error) = views {
            tracing::warn!(%error, "the views over the days could not be replaced");
        }
    }
    Ok(made)
}

/// Notes that a day has rows, and that it has to be closed again if it was closed.
pub(super) fn mark_late(connection: &mut SqliteConnection, day: Day) -> QueryResult<()> {
    sql_query(
        "INSERT INTO recording_days (day) VALUES (?) ON CONFLICT (day) DO UPDATE SET dirty = 1 \
         WHERE closed_at IS NOT NULL AND dirty = 0",
    )
    .bind::<Text, _>(day.to_string())
    .execute(connection)
    .map(drop)
}

/// Whether there is a table of this name.
pub(super) fn exists(connection: &mut SqliteConnection, table: &str) -> QueryResult<bool> {
    sql_query("SELECT count(*) AS value FROM sqlite_master WHERE type = 'table' AND name = ?")
        .bind::<Text, _>(table)
        .get_result::<NumberRow>(connection)
        .map(|row| row.value != Some(0))
}

/// The days that may have rows, oldest first.
pub(super) fn between(
    connection: &mut SqliteConnection,
    first: Day,
    last: Day,
) -> QueryResult<Vec<Day>> {
    let rows: Vec<TextRow> =
        sql_query("SELECT day AS value FROM recording_days WHERE day BETWEEN ? AND ? ORDER BY day")
            .bind::<Text, _>(first.to_string())
            .bind::<Text, _>(last.to_string())
            .load(connection)?;
    Ok(parse(&rows))
}

/// The days of such rows.
pub(super) fn parse(rows: &[TextRow]) -> Vec<Day> {
    rows.iter()
        .filter_map(|row| Day::parse(&row.value))
        .collect()
}

/// The tables that hold rows, with their size, oldest day first.
pub(super) fn partitions(
    connection: &mut SqliteConnection,
    mode: Mode,
) -> QueryResult<Vec<Partition>> {
    let mut partitions = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        let tables: Vec<(String, Option<Day>)> = match mode {
            Mode::Daily => existing(connection, prefix)?
                .into_iter()
                .map(|day| (day.table_name(prefix), Some(day)))
                .collect(),
            Mode::Single => vec![(prefix.to_owned(), None)],
        };
        for (table, day) in tables {
            let rows = sql_query(format!("SELECT count(*) AS value FROM {table}"))
                .get_result::<NumberRow>(connection)?
                .value
                .unwrap_or(0);
            partitions.push(Partition {
                bytes: bytes(connection, &table),
                day: day.map(|day| day.to_string()),
                table,
                rows,
            });
        }
    }
    Ok(partitions)
}

/// The size of a table and its indexes; `None` where this SQLite was built without `dbstat`.
fn bytes(connection: &mut SqliteConnection, table: &str) -> Option<i64> {
    sql_query(
        "SELECT sum(pgsize) AS value FROM dbstat WHERE aggregate = TRUE AND name IN \
         (SELECT name FROM sqlite_master WHERE tbl_name = ?)",
    )
    .bind::<Text, _>(table)
    .get_result::<NumberRow>(connection)
    .ok()?
    .value
}

fn make_table(connection: &mut SqliteConnection, prefix: &str, table: &str) -> QueryResult<()> {
    let template = format!("{prefix}_template");
    let definitions: Vec<TextRow> = sql_query(
        "SELECT sql AS value FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL \
         ORDER BY type DESC, name",
    )
    .bind::<Text, _>(&template)
    .load(connection)?;
    for definition in definitions {
        connection.batch_execute(&definition.value.replace(&template, table))?;
    }
    Ok(())
}

/// The days that have a table of this kind, oldest first.
fn existing(connection: &mut SqliteConnection, prefix: &str) -> QueryResult<Vec<Day>> {
    let names: Vec<TextRow> = sql_query(
        "SELECT name AS value FROM sqlite_master WHERE type = 'table' AND name GLOB ? ORDER BY name",
    )
    .bind::<Text, _>(format!("{prefix}_????_??_??"))
    .load(connection)?;
    Ok(names
        .iter()
        .filter_map(|row| Day::of_table(prefix, &row.value))
        .collect())
}

fn replace_views(connection: &mut SqliteConnection, mode: Mode) -> QueryResult<()> {
    connection.batch_execute("DROP VIEW IF EXISTS conversation_messages")?;
    if mode == Mode::Daily {
        for prefix in [MESSAGES, ERRORS] {
            let days = existing(connection, prefix)?;
            let mut view = format!("DROP VIEW IF EXISTS {prefix}; CREATE VIEW {prefix} AS ");
            let mut separator = "";
            for day in days.iter().rev().take(VIEWED_DAYS) {
                let table = day.table_name(prefix);
                // Writing to a String cannot fail.
                let _ = write!(view, "{separator}SELECT * FROM {table}");
                separator = " UNION ALL ";
            }
            connection.batch_execute(&view)?;
        }
    }
    connection.batch_execute(CONVERSATION_MESSAGES)
}
