//! How the tables are laid out, which `recording_meta` says: for all processes, whatever each was told.
//!
//! Batches share the lock of the row `partition`. Whoever changes the layout, or removes
//! conversations, takes it alone, and before any other row.

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    error::{Answer, Fault},
    statement::Statement,
};
use crate::partition::Day;

/// In the order of the keys, so that nobody who locks them waits crosswise.
const READ: &str = "SELECT `key` AS name, CAST(value AS CHAR) AS value FROM recording_meta \
     WHERE `key` IN ('partition', 'partition_move', 'partition_moves', 'removals')";
const SHARE: &str = "SELECT `key` AS name, CAST(value AS CHAR) AS value FROM recording_meta \
     WHERE `key` IN ('partition', 'partition_move', 'partition_moves', 'removals') \
     LOCK IN SHARE MODE";

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

/// What is left of a change of the mode, by a process that still is at it or was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// Rows were being copied to the other mode's tables. Nobody may write.
    Copying,
    /// No rows are being copied, and some of the other mode's tables may still be there.
    Dropping,
}

/// How the tables are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) mode: Mode,
    pub(super) unfinished: Option<Unfinished>,
    /// How often the mode has changed.
    moves: i64,
    /// How often rows or conversations were removed. Whoever remembers some must forget them with each.
    pub(super) removals: i64,
}

/// A name, and what it stands for.
#[derive(QueryableByName)]
pub(super) struct Entry {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) value: String,
}

impl Layout {
    /// How it is now; `None` where nobody has settled it yet.
    pub(super) async fn find(connection: &mut AsyncMysqlConnection) -> Answer<Option<Self>> {
        Self::load(connection, READ).await
    }

    pub(super) async fn read(connection: &mut AsyncMysqlConnection) -> Answer<Self> {
        Self::find(connection).await?.ok_or_else(unsettled)
    }

    /// Keeps it as it is until the transaction ends, beside others who do so too.
    pub(super) async fn share(connection: &mut AsyncMysqlConnection) -> Answer<Self> {
        Self::load(connection, SHARE).await?.ok_or_else(unsettled)
    }

    /// Waits for all who share it and keeps everybody away until the transaction ends.
    pub(super) async fn lock(connection: &mut AsyncMysqlConnection) -> Answer<()> {
        sql_query("SELECT value FROM recording_meta WHERE `key` = 'partition' FOR UPDATE")
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn load(connection: &mut AsyncMysqlConnection, sql: &str) -> Answer<Option<Self>> {
        let statement = Statement { sql, values: &[] };
        let entries: Vec<Entry> = statement.load(connection).await?;
        Ok(Self::among(&entries))
    }

    /// What these entries of `recording_meta` say.
    pub(super) fn of(entries: &[Entry]) -> Answer<Self> {
        Self::among(entries).ok_or_else(unsettled)
    }

    fn among(entries: &[Entry]) -> Option<Self> {
        let value = |name: &str| {
            let entry = entries.iter().find(|entry| entry.name == name);
            entry.map(|entry| entry.value.as_str())
        };
        let number = |name| {
            value(name)
                .and_then(|value| value.parse().ok())
                .unwrap_or(0)
        };
        value("partition").map(|mode| Self {
            mode: match mode {
                "single" => Mode::Single,
                _ => Mode::Daily,
            },
            unfinished: value("partition_move").map(|phase| match phase {
                "dropping" => Unfinished::Dropping,
                _ => Unfinished::Copying,
            }),
            moves: number("partition_moves"),
            removals: number("removals"),
        })
    }

    /// Whether what was read by one still holds by the other.
    pub(super) fn has_tables_of(self, other: Self) -> bool {
        self.mode == other.mode && self.moves == other.moves
    }
}

fn unsettled() -> Fault {
    Fault::Away("recording_meta does not say how days are kept".to_owned())
}

/// Sets an entry of `recording_meta`.
pub(super) async fn set(
    connection: &mut AsyncMysqlConnection,
    key: &str,
    value: &str,
) -> Answer<()> {
    sql_query(
        "INSERT INTO recording_meta (`key`, value) VALUES (?, ?) \
         ON DUPLICATE KEY UPDATE value = VALUES(value)",
    )
    .bind::<Text, _>(key)
    .bind::<Text, _>(value)
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds one to a number of `recording_meta`.
pub(super) async fn count(connection: &mut AsyncMysqlConnection, key: &str) -> Answer<()> {
    sql_query(
        "INSERT INTO recording_meta (`key`, value) VALUES (?, '1') \
         ON DUPLICATE KEY UPDATE value = CAST(value AS SIGNED) + 1",
    )
    .bind::<Text, _>(key)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes an entry of `recording_meta`.
pub(super) async fn unset(connection: &mut AsyncMysqlConnection, key: &str) -> Answer<()> {
    sql_query("DELETE FROM recording_meta WHERE `key` = ?")
        .bind::<Text, _>(key)
        .execute(connection)
        .await?;
    Ok(())
}
