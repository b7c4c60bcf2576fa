#[path = "../../../../tests/integration/servers/postgres.rs"]
#[expect(dead_code, reason = "the tests of faults use the rest")]
mod server;

pub(crate) use self::server::{Database, Server};
use crate::{
    id::Id,
    store::{Dsn, StoreOptions, UnixMillis, postgres::PostgresStore, tests},
};

pub(crate) fn store(dsn: &str, options: &StoreOptions) -> PostgresStore {
    match dsn.parse() {
        Ok(Dsn::Postgres(server)) => PostgresStore::new(&server, options).unwrap(),
        other => panic!("{other:?}"),
    }
}

impl tests::Database for Database {
    type Store = PostgresStore;

    const SCHEMA: &str = "SELECT count(*) FROM pg_class \
         WHERE relnamespace = current_schema()::regnamespace";
    const ANALYZE: &str = "ANALYZE conversation_histories_2025_01_15";
    const HOLDS_JSON: &str = "payload::json IS NOT NULL";
    const AT_NOON: &str = "to_char(\"timestamp\" AT TIME ZONE 'UTC', 'YYYY-MM HH24:MI:SS.MS') \
         = '2025-01 12:00:00.000'";
    const TEMPLATE: &str = "conversation_histories";
    const REFUSE_HUNTER2: &str = "ALTER TABLE conversation_histories ADD CONSTRAINT refusing \
         CHECK (content <> 'hunter2')";
    const VIEWED_DAYS: Option<i64> = None;

    fn columns_and_indexes(table: &str) -> [String; 2] {
        [
            format!(
                "SELECT count(*) FROM pg_attribute WHERE attnum > 0 \
                 AND attrelid = '{table}'::regclass"
            ),
            format!(
                "SELECT count(*) FROM pg_index AS i JOIN pg_inherits AS h \
                 ON h.inhrelid = i.indexrelid WHERE i.indrelid = '{table}'::regclass"
            ),
        ]
    }

    fn bytes(hex: &str) -> String {
        format!("'\\x{hex}'::bytea")
    }

    fn id(id: Id) -> String {
        format!("'{id}'::uuid")
    }

    async fn open() -> Self {
        Self::new().await
    }

    fn store_with(&self, options: &StoreOptions) -> PostgresStore {
        store(&self.dsn(), options)
    }

    async fn add_response_id(&self, seen_at: UnixMillis) {
        let sql = format!(
            "INSERT INTO response_ids VALUES (uuid_send(gen_random_uuid()), gen_random_uuid(), \
             gen_random_uuid(), to_timestamp({seen_at} / 1000.0))"
        );
        self.execute(&sql).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        self.number(sql).await
    }

    async fn execute(&self, sql: &str) {
        self.execute(sql).await;
    }
}
