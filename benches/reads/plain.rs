//! The one table, asked by plain SQL: what a program would send for the same answer that keeps all
//! messages in it, on a connection and in statements that are ready.

use mysql_async::{Conn, Opts, prelude::Queryable};
use rusqlite::Connection;
use tokio_postgres::{Client, types::ToSql};
use tower_recording::{Id, store::UnixMillis};

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
    /// All that is known of a conversation but its messages.
    conversation: T,
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
        // Active as late as its newest row of either kind.
        let newest = |table: &str| {
            format!("(SELECT max(h.created_at) FROM {table} AS h WHERE h.conversation_id = c.id)")
        };
        let conversation = format!(
            "SELECT c.id, c.session_id, c.title, c.created_at, c.last_day, c.message_count, {}, {} \
             FROM conversations AS c",
            newest("conversation_histories"),
            newest("error_conversation_histories")
        );
        Statements {
            conversation: format!("{conversation} WHERE c.id = {id}"),
            messages: format!(
                "SELECT {columns} FROM conversation_histories WHERE conversation_id = {id} \
                 ORDER BY created_at DESC, id DESC LIMIT {PAGE}"
            ),
            conversations: format!(
                "{conversation} WHERE c.tenant = '' AND c.user_identifier = {text} \
                 ORDER BY c.last_day DESC, c.id LIMIT {PAGE}"
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

#[derive(Clone, Copy)]
enum Which {
    Conversation,
    Messages,
    Conversations,
    Stats,
}

impl Which {
    fn of<T>(self, statements: &Statements<T>) -> &T {
        match self {
            Self::Conversation => &statements.conversation,
            Self::Messages => &statements.messages,
            Self::Conversations => &statements.conversations,
            Self::Stats => &statements.stats,
        }
    }
}

/// A value that a statement is asked with.
enum Value<'a> {
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
                    conversation: prepare(&sql.conversation).await,
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
                    conversation: prepare(sql.conversation).await,
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
        match question {
            Question::Conversation(id) => {
                let found = self.rows(Which::Conversation, &[Value::Id(*id)]).await;
                found + self.rows(Which::Messages, &[Value::Id(*id)]).await
            }
            Question::Messages(id) => self.rows(Which::Messages, &[Value::Id(*id)]).await,
            Question::Conversations(user) => {
                self.rows(Which::Conversations, &[Value::Text(user)]).await
            }
            Question::Stats { user, from, to } => {
                let values = [
                    Value::Text(user),
                    Value::Time(*from),
                    Value::Time(to + DAY_MS),
                ];
                self.rows(Which::Stats, &values).await
            }
        }
    }

    async fn rows(&mut self, statement: Which, values: &[Value<'_>]) -> usize {
        match self {
            Self::Postgres(client, statements) => {
                let values: Vec<Box<dyn ToSql + Sync>> =
                    values.iter().map(|value| value.of_postgres()).collect();
                let values: Vec<&(dyn ToSql + Sync)> =
                    values.iter().map(|value| &**value).collect();
                let rows = client.query(statement.of(statements), &values).await;
                rows.expect("rows").len()
            }
            Self::Mysql(connection, statements) => {
                let values: Vec<mysql_async::Value> =
                    values.iter().map(|value| value.of_mysql()).collect();
                let rows =
                    connection.exec::<mysql_async::Row, _, _>(statement.of(statements), values);
                rows.await.expect("rows").len()
            }
            Self::Sqlite(connection, statements) => {
                let values = values.iter().map(|value| value.of_sqlite());
                let sql: &String = statement.of(statements);
                let mut statement = connection.prepare_cached(sql).expect("a statement");
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
