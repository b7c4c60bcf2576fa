//! An SQLite file.

use std::path::{Path, PathBuf};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query,
    sql_types::Text, sqlite::SqliteConnection,
};
use tempfile::TempDir;

use super::{Backend, Session};
use crate::support::sqlite_dsn;

/// A file in a folder of its own.
pub(in crate::faults) struct Place {
    folder: PathBuf,
    /// Removed with this, where it is not somebody else's.
    _own: Option<TempDir>,
}

impl Place {
    /// A file in this folder.
    pub(in crate::faults) fn within(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            _own: None,
        }
    }

    /// The file, or one that SQLite keeps beside it: `-wal`, say.
    pub(in crate::faults) fn file(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("test.db{suffix}"))
    }
}

impl Backend for Place {
    type Session = SqliteConnection;

    const MIDNIGHT: &'static str = "3192480000000";
    const MIGRATIONS: &'static str = "sqlite";
    const DAY: &'static str = "strftime('%Y-%m-%d', created_at / 1000, 'unixepoch')";

    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            folder: folder.path().to_owned(),
            _own: Some(folder),
        }
    }

    fn dsn(&self) -> String {
        sqlite_dsn(&self.folder)
    }

    async fn session(&self) -> SqliteConnection {
        open(&self.file(""))
    }

    async fn assert_intact(&self) {
        let check = "SELECT integrity_check AS value FROM pragma_integrity_check";
        assert_eq!(self.texts(check).await, ["ok"]);
    }
}

/// Opens a file beside the recorder.
fn open(file: &Path) -> SqliteConnection {
    let url = file.to_str().expect("a path in UTF-8");
    let mut connection = SqliteConnection::establish(url).expect("a connection");
    let patience = connection.batch_execute("PRAGMA busy_timeout = 20000");
    patience.expect("patience");
    connection
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

impl Session for SqliteConnection {
    async fn execute(&mut self, sql: &str) {
        let done = self.batch_execute(sql);
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let query = format!("SELECT CAST(value AS TEXT) AS value FROM ({sql})");
        let rows = sql_query(&query).load::<Value>(self);
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter().map(|row| row.value).collect()
    }
}
