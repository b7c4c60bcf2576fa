//! The days that may have rows, and the mode that says where those are.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
    sqlite::SqliteConnection,
};

use super::{
    statement::{Statement, Value},
    tables, views,
};
use crate::partition::{Day, ERRORS, MESSAGES};

/// Whether a day has tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Daily,
    Single,
}

impl Mode {
    /// With or without tables of days.
    pub(super) fn of(daily: bool) -> Self {
        if daily { Self::Daily } else { Self::Single }
    }

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
            if !tables::exists(connection, &table)? {
                tables::make(connection, prefix, &table)?;
                made = true;
            }
        }
        if mode == Mode::Daily {
            note(connection, *day)?;
        }
    }
    if made {
        views::try_replace(connection, mode);
    }
    Ok(made)
}

/// Notes that a day may have rows.
pub(super) fn note(connection: &mut SqliteConnection, day: Day) -> QueryResult<()> {
    sql_query("INSERT INTO recording_days (day) VALUES (?) ON CONFLICT DO NOTHING")
        .bind::<Text, _>(day.to_string())
        .execute(connection)
        .map(drop)
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

/// The days that may have rows, oldest first.
pub(super) fn between(
    connection: &mut SqliteConnection,
    first: Day,
    last: Day,
) -> QueryResult<Vec<Day>> {
    let between = Statement {
        sql: "SELECT day AS value FROM recording_days WHERE day BETWEEN ? AND ? ORDER BY day",
        values: &[
            Value::Text(&first.to_string()),
            Value::Text(&last.to_string()),
        ],
    };
    let rows: Vec<TextRow> = between.load(connection)?;
    Ok(parse(&rows))
}

/// The days of such rows.
pub(super) fn parse(rows: &[TextRow]) -> Vec<Day> {
    rows.iter()
        .filter_map(|row| Day::parse(&row.value))
        .collect()
}

/// What is derived from a day's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Derived {
    /// Nothing yet.
    Open,
    /// What its rows were when it was closed; others have come since.
    Dirty,
    /// All.
    Closed,
}

#[derive(QueryableByName)]
struct DerivedRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    closed_at: Option<i64>,
    #[diesel(sql_type = BigInt)]
    dirty: i64,
}

/// What is derived from this day's rows.
pub(super) fn derived(connection: &mut SqliteConnection, day: Day) -> QueryResult<Derived> {
    let row: Option<DerivedRow> =
        sql_query("SELECT closed_at, dirty FROM recording_days WHERE day = ?")
            .bind::<Text, _>(day.to_string())
            .get_result(connection)
            .optional()?;
    Ok(match row {
        Some(row) if row.closed_at.is_some() && row.dirty == 0 => Derived::Closed,
        Some(row) if row.closed_at.is_some() => Derived::Dirty,
        _ => Derived::Open,
    })
}
