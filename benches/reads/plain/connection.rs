//! A connection, and the statements that it has ready.

use std::collections::HashMap;

use mysql_async::{Conn, Opts, prelude::Queryable};
use tokio_postgres::{Client, types::ToSql};
use tower_recording::{Id, store::UnixMillis};

use super::dialect::{Dialect, MYSQL, POSTGRES, SQLITE};
use crate::backend::Database;

/// More than a program has; rusqlite's own number is 16, and the driver of MySQL keeps 32.
const READY_STATEMENTS: usize = 32;

/// A value that a statement is asked with.
pub enum Value<'a> {
    Id(Id),
    Text(&'a str),
    Time(UnixMillis),
}

impl Value<'_> {
    fn of_postgres(&self) -> Box<dyn ToSql + Sync> {
        match self {
            Self::Id(id) => Box::new(id.to_string()),
            Self::Text(text) => Box::new((*text).to_owned()),
            Self::Time(time) => Box::new(*time as f64),
        }
    }

    fn of_mysql(&self) -> mysql_async::Value {
        match self {
            Self::Id(id) => id.as_bytes().into(),
            Self::Text(text) => (*text).into(),
            Self::Time(time) => time.into(),
        }
    }

    fn of_sqlite(&self) -> rusqlite::types::Value {
        match self {
            Self::Id(id) => rusqlite::types::Value::Blob(id.as_bytes().into()),
            Self::Text(text) => (*text).to_owned().into(),
            Self::Time(time) => (*time).into(),
        }
    }
}

/// A connection.
pub enum Connection {
    Postgres(Client, HashMap<String, tokio_postgres::Statement>),
    Mysql(Conn),
    Sqlite(rusqlite::Connection),
}

impl Connection {
    pub async fn new(database: &Database) -> Self {
        match database {
            Database::Postgres(database) => {
                let client = database.connect().await;
                let jit = client.batch_execute("SET jit = off").await;
                jit.expect("a server");
                Self::Postgres(client, HashMap::new())
            }
            Database::Mysql(database) => {
                let opts = Opts::from_url(&database.dsn()).expect("a DSN");
                let mut connection = Conn::new(opts).await.expect("a connection");
                let utc = connection.query_drop("SET time_zone = '+00:00'").await;
                utc.expect("a server");
                Self::Mysql(connection)
            }
            Database::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).expect("a file");
                connection.set_prepared_statement_cache_capacity(READY_STATEMENTS);
                Self::Sqlite(connection)
            }
        }
    }

    pub fn dialect(&self) -> &'static Dialect {
        match self {
            Self::Postgres(..) => &POSTGRES,
            Self::Mysql(_) => &MYSQL,
            Self::Sqlite(_) => &SQLITE,
        }
    }

    /// Asks by a statement that stays ready, and says how many rows the answer has.
    pub async fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> usize {
        self.texts::<0>(sql, values).await.len()
    }

    /// Asks by a statement that stays ready. Gives the first columns of each row, which are texts.
    pub async fn texts<const N: usize>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Vec<[String; N]> {
        match self {
            Self::Postgres(client, ready) => {
                if !ready.contains_key(sql) {
                    let statement = client.prepare(sql).await;
                    ready.insert(sql.to_owned(), statement.expect("a statement"));
                }
                let values: Vec<_> = values.iter().map(Value::of_postgres).collect();
                let values: Vec<&(dyn ToSql + Sync)> =
                    values.iter().map(|value| &**value).collect();
                let rows = client.query(&ready[sql], &values).await.expect("rows");
                let texts =
                    |row: tokio_postgres::Row| std::array::from_fn(|column| row.get(column));
                rows.into_iter().map(texts).collect()
            }
            Self::Mysql(connection) => {
                let values: Vec<_> = values.iter().map(Value::of_mysql).collect();
                let rows = connection.exec::<mysql_async::Row, _, _>(sql, values);
                let text = |row: &mysql_async::Row, column| row.get(column).expect("a text");
                let texts = |row| std::array::from_fn(|column| text(&row, column));
                rows.await.expect("rows").into_iter().map(texts).collect()
            }
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).expect("a statement");
                let values = values.iter().map(Value::of_sqlite);
                let rows = statement.query(rusqlite::params_from_iter(values));
                texts_of(rows.expect("rows"))
            }
        }
    }

    /// Asks by a statement whose text nobody needs again, and says how many rows the answer has.
    pub async fn rows_once(&mut self, sql: &str) -> usize {
        match self {
            Self::Postgres(client, _) => client.query(sql, &[]).await.expect("rows").len(),
            Self::Mysql(connection) => {
                let rows = connection.query::<mysql_async::Row, _>(sql).await;
                rows.expect("rows").len()
            }
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sql).expect("a statement");
                texts_of::<0>(statement.query([]).expect("rows")).len()
            }
        }
    }

    /// Sets something of the connection.
    pub async fn set(&mut self, sql: &str) {
        self.rows_once(sql).await;
    }
}

fn texts_of<const N: usize>(mut rows: rusqlite::Rows<'_>) -> Vec<[String; N]> {
    let mut texts = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        // Whatever a column holds, it is looked at.
        std::hint::black_box(row.get_ref(0).expect("a column"));
        texts.push(std::array::from_fn(|column| {
            row.get(column).expect("a text")
        }));
    }
    texts
}
