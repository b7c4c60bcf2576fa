//! The schema, and the mode that the database was begun in.

use diesel::{prelude::*, result::Error, sql_query, sql_types::Text, sqlite::SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::days::{self, Mode, TextRow};
use crate::partition::Day;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Brings the schema up to date and settles the mode, in one immediate transaction: diesel's
/// migrations take no lock of their own, and any number of processes may start at once.
pub(super) fn migrate(connection: &mut SqliteConnection, wanted: Mode) -> QueryResult<Mode> {
    let mode = connection.immediate_transaction(|connection| {
        connection
            .run_pending_migrations(MIGRATIONS)
            .map_err(Error::QueryBuilderError)?;
        let mode = settle_mode(connection, wanted)?;
        if mode == Mode::Single {
            days::make(connection, mode, &[Day::MIN])?;
        }
        QueryResult::Ok(mode)
    })?;
    Ok(mode)
}

fn settle_mode(connection: &mut SqliteConnection, wanted: Mode) -> QueryResult<Mode> {
    sql_query(
        "INSERT INTO recording_meta (key, value) VALUES ('partition', ?) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(wanted.as_str())
    .execute(connection)?;
    let stored: TextRow = sql_query("SELECT value FROM recording_meta WHERE key = 'partition'")
        .get_result(connection)?;
    Ok(match stored.value.as_str() {
        "single" => Mode::Single,
        _ => Mode::Daily,
    })
}
