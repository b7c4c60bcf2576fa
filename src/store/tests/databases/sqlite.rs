use std::path::PathBuf;

use diesel::{
    Connection,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable},
    sqlite::SqliteConnection,
};
use tempfile::TempDir;

use crate::store::{
    StoreOptions, UnixMillis,
    sqlite::{Location, SqliteStore},
    tests,
};

/// A file in a directory of its own.
pub(crate) struct Database {
    directory: TempDir,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    value: Option<i64>,
}

impl Database {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("conversations.db")
    }

    pub(crate) fn location(&self) -> Location {
        Location::File(self.path().to_str().unwrap().to_owned())
    }

    fn connect(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(self.path().to_str().unwrap()).unwrap();
        sql_query("PRAGMA busy_timeout = 10000")
            .execute(&mut connection)
            .unwrap();
        connection
    }
}

impl tests::Database for Database {
    type Store = SqliteStore;

    const SCHEMA: &str = "SELECT schema_version FROM pragma_schema_version";
    const ANALYZE: &str = "ANALYZE";
    const HOLDS_JSON: &str = "json_valid(payload)";
    const AT_NOON: &str = "timestamp LIKE '2025-01-%T12:00:00.000Z'";
    const TEMPLATE: &str = "conversation_histories_template";
    const REFUSE_HUNTER2: &str = "CREATE TRIGGER refusing BEFORE INSERT \
         ON conversation_histories_2025_01_15 WHEN NEW.content = 'hunter2' \
         BEGIN SELECT RAISE(ABORT, 'constraint failed'); END";
    const VIEWED_DAYS: Option<i64> = Some(400);

    fn columns_and_indexes(table: &str) -> [String; 2] {
        ["table_info", "index_list"]
            .map(|what| format!("SELECT count(*) FROM pragma_{what}('{table}')"))
    }

    async fn open() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn store_with(&self, options: &StoreOptions) -> SqliteStore {
        SqliteStore::new(self.location(), options)
    }

    async fn add_response_id(&self, seen_at: UnixMillis) {
        let sql = format!(
            "INSERT INTO response_ids VALUES (randomblob(16), zeroblob(16), zeroblob(16), {seen_at})"
        );
        self.execute(&sql).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        let row: Number = sql_query(format!("SELECT ({sql}) AS value"))
            .get_result(&mut self.connect())
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        row.value.unwrap_or_else(|| panic!("{sql}: NULL"))
    }

    async fn execute(&self, sql: &str) {
        sql_query(sql)
            .execute(&mut self.connect())
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}
