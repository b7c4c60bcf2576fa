//! Whether a day has tables of its own. The database decides, and may change its mind at any time.

use diesel::{prelude::*, sql_query, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::partition::Day;

/// Whether a day has tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Daily,
    Single,
}

/// One column of text.
#[derive(QueryableByName)]
pub(super) struct TextRow {
    #[diesel(sql_type = Text)]
    pub(super) value: String,
}

impl Mode {
    /// With tables for days, or without.
    pub(super) fn new(daily: bool) -> Self {
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

    /// The mode of the database.
    pub(super) async fn of(connection: &AsyncPgConnection) -> QueryResult<Self> {
        let mode = Self::stored(connection).await?;
        mode.ok_or(diesel::result::Error::NotFound)
    }

    /// The mode that is noted; `None` where the database is not begun.
    pub(super) async fn stored(mut connection: &AsyncPgConnection) -> QueryResult<Option<Self>> {
        let word: Option<TextRow> = sql_query(
            "SELECT convert_from(value, 'UTF8') AS value FROM recording_meta WHERE key = 'partition'",
        )
        .get_result(&mut connection)
        .await
        .optional()?;
        Ok(word.map(|row| Self::new(row.value != Self::Single.as_str())))
    }

    /// Notes it.
    pub(super) async fn store(self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        sql_query(
            "INSERT INTO recording_meta (key, value) VALUES ('partition', convert_to($1, 'UTF8')) \
             ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
        )
        .bind::<Text, _>(self.as_str())
        .execute(connection)
        .await
        .map(drop)
    }
}
