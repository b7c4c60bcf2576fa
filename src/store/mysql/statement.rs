//! Statements that diesel prepares once a connection; those of `sql_query` it prepares every time.

use std::time::SystemTime;

use diesel::{
    deserialize::QueryableByName,
    mysql::Mysql,
    prelude::QueryResult,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Datetime, Nullable, Text, Untyped},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{datetime::Millis, error::Answer, layout::Mode};
use crate::partition::Day;

/// What a column takes. It is the same for every row, a missing value too: diesel caches a statement
/// by its text and the types of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Bytes,
    Text,
    Time,
}

/// One value of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null(Kind),
    Number(i64),
    Bytes([u8; 16]),
    Text(&'a str),
    Time(Millis),
}

impl Value<'_> {
    pub(super) fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        match self {
            Self::Null(Kind::Number) => out.push_bind_param::<Nullable<BigInt>, Option<i64>>(&None),
            Self::Null(Kind::Bytes) => {
                out.push_bind_param::<Nullable<Binary>, Option<&[u8]>>(&None)
            }
            Self::Null(Kind::Text) => out.push_bind_param::<Nullable<Text>, Option<&str>>(&None),
            Self::Null(Kind::Time) => {
                out.push_bind_param::<Nullable<Datetime>, Option<Millis>>(&None)
            }
            Self::Number(number) => out.push_bind_param::<BigInt, i64>(number),
            Self::Bytes(bytes) => out.push_bind_param::<Binary, [u8]>(bytes),
            Self::Text(text) => out.push_bind_param::<Text, str>(text),
            Self::Time(time) => out.push_bind_param::<Datetime, Millis>(time),
        }
    }
}

/// A statement with a `?` for each of its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statement<'a> {
    pub(super) sql: &'a str,
    pub(super) values: &'a [Value<'a>],
}

impl Statement<'_> {
    /// Asks about the rows of this day, whose tables alone the text names. A connection keeps it for days that
    /// are asked about often, of which there are few at a time: whoever asks may name any.
    pub(super) async fn load_of_day<T: QueryableByName<Mysql> + Send + 'static>(
        self,
        connection: &mut AsyncMysqlConnection,
        mode: Mode,
        day: Day,
    ) -> Answer<Vec<T>> {
        let rows = match mode == Mode::Single || is_asked_often(day) {
            true => self.load(connection).await,
            false => Once(self).load(connection).await,
        };
        Ok(rows?)
    }
}

fn is_asked_often(day: Day) -> bool {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let today = Day::from_unix_ms(now);
    today.previous() <= day && day.previous() <= today
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Mysql> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        let mut parts = self.sql.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (value, part) in self.values.iter().zip(parts) {
            value.push(&mut out)?;
            out.push_sql(part);
        }
        Ok(())
    }
}

/// A statement whose text does not come again, so that the server is not to keep it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Once<'a>(pub(super) Statement<'a>);

impl QueryId for Once<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Once<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Mysql> for Once<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        self.0.walk_ast(out)
    }
}

/// Lengths of lists, so that few statements are prepared.
const LIST_LENGTHS: [usize; 3] = [8, 64, LONGEST_LIST];
/// Values that one statement looks for at the most.
pub(super) const LONGEST_LIST: usize = 512;

/// The values of a list, filled up with the last one to a length of which there are few.
pub(super) fn filled(mut values: Vec<Value<'_>>) -> Vec<Value<'_>> {
    if let Some(last) = values.last().copied() {
        let fits = |length: &&usize| **length >= values.len();
        let length = LIST_LENGTHS.iter().find(fits).copied();
        values.resize(length.unwrap_or(values.len()), last);
    }
    values
}

/// A `?` for each of so many values.
pub(super) fn marks(values: usize) -> String {
    vec!["?"; values].join(",")
}
