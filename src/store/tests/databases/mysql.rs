#[path = "../../../../tests/integration/servers/mariadb.rs"]
mod server;

pub(crate) use self::server::{Database, Server};
use crate::store::{Dsn, StoreOptions, UnixMillis, mysql::MysqlStore, tests};

pub(crate) fn store(dsn: &str, options: &StoreOptions) -> MysqlStore {
    match dsn.parse() {
        Ok(Dsn::Mysql(server)) => MysqlStore::new(&server, options).unwrap(),
        other => panic!("{other:?}"),
    }
}

impl tests::Database for Database {
    type Store = MysqlStore;

    const SCHEMA: &str = "SELECT count(*) FROM information_schema.tables \
         WHERE table_schema = DATABASE()";
    const ANALYZE: &str = "ANALYZE TABLE conversation_histories_2025_01_15";
    const HOLDS_JSON: &str = "json_valid(payload)";
    const AT_NOON: &str = "`timestamp` LIKE '2025-01-%T12:00:00.000Z'";
    const TEMPLATE: &str = "conversation_histories_template";
    const REFUSE_HUNTER2: &str = "CREATE TRIGGER refusing BEFORE INSERT \
         ON conversation_histories_2025_01_15 FOR EACH ROW IF NEW.content = 'hunter2' THEN \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'hunter2'; END IF";
    const VIEWED_DAYS: Option<i64> = Some(400);

    fn columns_and_indexes(table: &str) -> [String; 2] {
        let count = |name: &str, of: &str| {
            format!(
                "SELECT count(DISTINCT {name}) FROM information_schema.{of} \
                 WHERE table_schema = DATABASE() AND table_name = '{table}'"
            )
        };
        [
            count("column_name", "columns"),
            count("index_name", "statistics"),
        ]
    }

    async fn open() -> Self {
        Self::new().await
    }

    fn store_with(&self, options: &StoreOptions) -> MysqlStore {
        store(&self.dsn(), options)
    }

    async fn add_response_id(&self, seen_at: UnixMillis) {
        let sql = format!(
            "INSERT INTO response_ids VALUES (unhex(md5(uuid())), unhex(md5(uuid())), \
             unhex(md5(uuid())), '1970-01-01' + INTERVAL {seen_at} * 1000 MICROSECOND)"
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
