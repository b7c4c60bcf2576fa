//! The schema, and the mode that the database was begun in.

use diesel::{prelude::*, result::Error, sqlite::SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{
    days::{self, Mode},
    meta,
};
use crate::partition::Day;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Brings the schema up to date and settles the mode, in one immediate transaction: diesel's
/// migrations take no lock of their own, and any number of processes may start at once.
pub(super) fn migrate(connection: &mut SqliteConnection, wanted: Mode) -> QueryResult<Mode> {
    connection.immediate_transaction(|connection| {
        connection
            .run_pending_migrations(MIGRATIONS)
            .map_err(Error::QueryBuilderError)?;
        let mode = meta::settle_mode(connection, wanted)?;
        if mode == Mode::Single {
            days::make(connection, mode, &[Day::MIN])?;
        }
        QueryResult::Ok(mode)
    })
}
