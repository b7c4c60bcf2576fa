//! Statements that diesel prepares once a connection; those of `sql_query` it prepares every time. It
//! keeps them for ever, so none of them names a table of a day.

use diesel::{
    prelude::{QueryResult, RunQueryDsl, SqliteConnection},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Text, Untyped},
    sqlite::Sqlite,
};

/// A limit that is a value. A bare `?` is looked at when SQLite plans, which prepares the statement again
/// whenever it is bound.
pub(super) const LIMIT: &str = "LIMIT ? + 0";

/// One value of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
}

/// A statement with a `?` for each of its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement<'a> {
    pub(super) sql: &'a str,
    pub(super) values: &'a [Value<'a>],
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

impl RunQueryDsl<SqliteConnection> for Statement<'_> {}

impl QueryFragment<Sqlite> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut parts = self.sql.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (value, part) in self.values.iter().zip(parts) {
            match value {
                Value::Number(number) => out.push_bind_param::<BigInt, i64>(number)?,
                Value::Bytes(bytes) => out.push_bind_param::<Binary, [u8]>(bytes)?,
                Value::Text(text) => out.push_bind_param::<Text, str>(text)?,
            }
            out.push_sql(part);
        }
        Ok(())
    }
}
