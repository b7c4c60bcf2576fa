//! The one table, asked by plain SQL: what a program would send that keeps all messages in it, on a
//! connection and in statements that are ready.

use mysql_async::{Conn, Opts, prelude::Queryable};
use rusqlite::Connection;
use tokio_postgres::{Client, types::ToSql};

use crate::{
    backend::Database,
    cells::COLUMNS,
    clock::DAY_MS,
    question::{PAGE, Question},
};

/// How a database writes what is not the same in all of them.
struct Dialect {
    quote: char,
    /// A value that is an id, a text, the first and the second time in milliseconds since 1970.
    id: &'static str,
    text: &'static str,
    from: &'static str,
    to: &'static str,
    day: &'static str,
}

const POSTGRES: Dialect = Dialect {
    quote: '"',
    id: "$1::text::uuid",
    text: "$1",
    from: "to_timestamp($2::float8 / 1000)",
    to: "to_timestamp($3::float8 / 1000)",
    day: "(created_at AT TIME ZONE 'UTC')::date",
};
const MYSQL: Dialect = Dialect {
    quote: '`',
    id: "?",
    text: "?",
    from: "FROM_UNIXTIME(? / 1000)",
    to: "FROM_UNIXTIME(? / 1000)",
    day: "DATE(created_at)",
};
const SQLITE: Dialect = Dialect {
    quote: '"',
    id: "?",
    text: "?",
    from: "?",
    to: "?",
    day: "created_at / 86400000",
};

/// A statement for each kind of question.
pub struct Statements<T> {
    messages: T,
    conversations: T,
    stats: T,
}

impl Dialect {
    fn statements(&self) -> Statements<String> {
        let Self {
            quote,
            id,
            text,
            from,
            to,
            day,
        } = self;
        let columns = COLUMNS
            .map(|column| format!("{quote}{column}{quote}"))
            .join(", ");
        Statements {
            messages: format!(
                "SELECT {columns} FROM conversation_histories WHERE conversation_id = {id} \
                 ORDER BY created_at DESC, id DESC LIMIT {PAGE}"
            ),
            conversations: format!(
                "SELECT id, session_id, title, created_at, last_day, message_count \
                 FROM conversations WHERE tenant = '' AND user_identifier = {text} \
                 ORDER BY last_day DESC, id LIMIT {PAGE}"
            ),
            stats: format!(
                "SELECT model_name, {day}, count(*), count(DISTINCT exchange_id), \
                 sum(prompt_tokens), sum(completion_tokens), sum(total_tokens) \
                 FROM conversation_histories \
                 WHERE user_id = {text} AND created_at >= {from} AND created_at < {to} \
                 GROUP BY model_name, {day}"
            ),
        }
    }
}

/// A connection and its statements.
pub enum Plain {
    Postgres(Client, Box<Statements<tokio_postgres::Statement>>),
    Mysql(Conn, Box<Statements<mysql_async::Statement>>),
    Sqlite(Connection, Box<Statements<String>>),
}

impl Plain {
    pub async fn new(database: &Database) -> Self {
        match database {
            Database::Postgres(database) => {
                let client = database.connect().await;
                let jit = client.batch_execute("SET jit = off").await;
                jit.expect("a server");
                let sql = POSTGRES.statements();
                let prepare = async |sql: &str| client.prepare(sql).await.expect("a statement");
                let statements = Statements {
                    messages: prepare(&sql.messages).await,
                    conversations: prepare(&sql.conversations).await,
                    stats: prepare(&sql.stats).await,
                };
                Self::Postgres(client, Box::new(statements))
            }
            Database::Mysql(database) => {
                let opts = Opts::from_url(&database.dsn()).expect("a DSN");
                let mut connection = Conn::new(opts).await.expect("a connection");
                let utc = connection.query_drop("SET time_zone = '+00:00'").await;
                utc.expect("a server");
                let sql = MYSQL.statements();
                let mut prepare = async |sql| connection.prep(sql).await.expect("a statement");
                let statements = Statements {
                    messages: prepare(sql.messages).await,
                    conversations: prepare(sql.conversations).await,
                    stats: prepare(sql.stats).await,
                };
                Self::Mysql(connection, Box::new(statements))
            }
            Database::Sqlite(path) => Self::Sqlite(
                Connection::open(path).expect("a file"),
                Box::new(SQLITE.statements()),
            ),
        }
    }

    /// Asks, and says how many rows the answer has.
    pub async fn ask(&mut self, question: &Question) -> usize {
        match self {
            Self::Postgres(client, statements) => {
                let id;
                let [start, end];
                let (statement, values): (_, Vec<&(dyn ToSql + Sync)>) = match question {
                    Question::Messages(talk) => {
                        id = talk.to_string();
                        (&statements.messages, vec![&id])
                    }
                    Question::Conversations(user) => (&statements.conversations, vec![user]),
                    Question::Stats { user, from, to } => {
                        [start, end] = [*from as f64, (to + DAY_MS) as f64];
                        (&statements.stats, vec![user, &start, &end])
                    }
                };
                client.query(statement, &values).await.expect("rows").len()
            }
            Self::Mysql(connection, statements) => {
                let (statement, values): (_, Vec<mysql_async::Value>) = match question {
                    Question::Messages(talk) => {
                        (&statements.messages, vec![talk.as_bytes().into()])
                    }
                    Question::Conversations(user) => (&statements.conversations, vec![user.into()]),
                    Question::Stats { user, from, to } => {
                        let values = vec![user.into(), from.into(), (to + DAY_MS).into()];
                        (&statements.stats, values)
                    }
                };
                let rows = connection.exec::<mysql_async::Row, _, _>(statement, values);
                rows.await.expect("rows").len()
            }
            Self::Sqlite(connection, statements) => {
                use rusqlite::types::Value;
                let (sql, values): (_, Vec<Value>) = match question {
                    Question::Messages(talk) => (
                        &statements.messages,
                        vec![Value::Blob(talk.as_bytes().into())],
                    ),
                    Question::Conversations(user) => {
                        (&statements.conversations, vec![user.clone().into()])
                    }
                    Question::Stats { user, from, to } => {
                        let values =
                            vec![user.clone().into(), (*from).into(), (to + DAY_MS).into()];
                        (&statements.stats, values)
                    }
                };
                let mut statement = connection.prepare(sql).expect("a statement");
                let mut rows = statement
                    .query(rusqlite::params_from_iter(values))
                    .expect("rows");
                let mut count = 0;
                while let Some(row) = rows.next().expect("a row") {
                    // Whatever a column holds, it is looked at.
                    let first = row.get_ref(0).expect("a column");
                    std::hint::black_box(first);
                    count += 1;
                }
                count
            }
        }
    }
}
