//! Multi-row inserts: one array a column, so that any number of rows is one cached statement.

use std::{error::Error, io::Write as _};

use diesel::{
    pg::Pg,
    prelude::QueryResult,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{Array, BigInt, Bool, Bytea, Nullable, Text, Timestamptz, Uuid},
};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};

use super::time::to_pg;
use crate::store::pack::Cell;

/// Rows a statement: more than 500 gain nothing, and a batch of 500 may be somewhat longer.
const MAX_ROWS: usize = 1000;
/// Text a statement, so that rows of a megabyte do not make one message of hundreds.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Uuid,
    Hash,
    Time,
    Text,
    Number,
    Flag,
}

impl Kind {
    /// The type's number, the same in every PostgreSQL.
    fn oid(self) -> u32 {
        match self {
            Self::Flag => 16,
            Self::Hash => 17,
            Self::Number => 20,
            Self::Text => 25,
            Self::Time => 1184,
            Self::Uuid => 2950,
        }
    }
}

/// What the rows are inserted into.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) table: &'static str,
    pub(super) columns: &'static str,
    /// The columns, each as it is to be taken from its array.
    pub(super) select: &'static str,
    pub(super) kinds: &'static [Kind],
    /// What becomes of a row that stands there already.
    pub(super) on_conflict: &'static str,
}

/// Inserts these rows, in this order.
pub(super) async fn insert(
    mut connection: &AsyncPgConnection,
    target: &'static Target,
    text: &str,
    rows: &[&[Cell]],
) -> QueryResult<()> {
    let mut rest = rows;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(statement_rows(rest));
        rest = later;
        let insert = Insert::new(target, text, now);
        connection.execute_returning_count(insert).await?;
    }
    Ok(())
}

/// Whether these rows go into one statement, or none.
pub(super) fn is_one_statement(rows: &[&[Cell]]) -> bool {
    rows.is_empty() || statement_rows(rows) == rows.len()
}

/// How many of these rows, at least one, go into one statement.
fn statement_rows(rows: &[&[Cell]]) -> usize {
    let mut bytes = 0;
    let fits = |row: &&&[Cell]| {
        let texts = row.iter().map(|cell| match cell {
            Cell::Text(start, end) => end - start,
            _ => 0,
        });
        bytes += texts.sum::<usize>();
        bytes <= MAX_TEXT_BYTES
    };
    rows.iter().take(MAX_ROWS).take_while(fits).count().max(1)
}

/// One statement. diesel caches it by its text, which `sql_query` with binds never is.
struct Insert<'a> {
    target: &'static Target,
    columns: Vec<Column<'a>>,
}

impl<'a> Insert<'a> {
    fn new(target: &'static Target, text: &'a str, rows: &'a [&'a [Cell]]) -> Self {
        let column = |(index, kind): (usize, &Kind)| Column {
            kind: *kind,
            index,
            text,
            rows,
        };
        Self {
            target,
            columns: target.kinds.iter().enumerate().map(column).collect(),
        }
    }
}

impl QueryId for Insert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let target = self.target;
        for part in ["INSERT INTO ", target.table, " (", target.columns, ")"] {
            out.push_sql(part);
        }
        // In a list of columns UNNEST hands its rows on one by one; in FROM it lays all of them aside
        // first, which takes a sixth of the whole.
        for part in [" SELECT ", target.select, " FROM (SELECT "] {
            out.push_sql(part);
        }
        let mut before = "UNNEST(";
        for (column, name) in self.columns.iter().zip(target.columns.split(", ")) {
            out.push_sql(before);
            before = ", UNNEST(";
            match column.kind {
                Kind::Uuid => out.push_bind_param::<Array<Nullable<Uuid>>, _>(column)?,
                Kind::Hash => out.push_bind_param::<Array<Nullable<Bytea>>, _>(column)?,
                Kind::Time => out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(column)?,
                Kind::Text => out.push_bind_param::<Array<Nullable<Text>>, _>(column)?,
                Kind::Number => out.push_bind_param::<Array<Nullable<BigInt>>, _>(column)?,
                Kind::Flag => out.push_bind_param::<Array<Nullable<Bool>>, _>(column)?,
            }
            out.push_sql(") AS ");
            out.push_sql(name);
        }
        for part in [") AS rows", target.on_conflict] {
            out.push_sql(part);
        }
        Ok(())
    }
}

/// One column of all rows, written as an array without a copy of its own.
#[derive(Debug)]
struct Column<'a> {
    kind: Kind,
    index: usize,
    text: &'a str,
    rows: &'a [&'a [Cell]],
}

impl Column<'_> {
    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.rows
            .iter()
            .map(|row| row.get(self.index).unwrap_or(&Cell::Null))
    }

    /// PostgreSQL's binary form of an array: dimensions, whether there are NULLs, the elements' type,
    /// length and first index, then each element's length and bytes.
    fn write(&self, out: &mut Output<'_, '_, Pg>) -> serialize::Result {
        let rows = i32::try_from(self.rows.len())?;
        let oid = i32::try_from(self.kind.oid())?;
        if self.cells().all(|cell| matches!(cell, Cell::Null)) {
            // UNNEST fills up the shorter arrays with NULLs, for less than it takes to unpack them.
            for number in [0, 0, oid] {
                out.write_all(&number.to_be_bytes())?;
            }
            return Ok(IsNull::No);
        }
        for number in [1, 1, oid, rows, 1] {
            out.write_all(&number.to_be_bytes())?;
        }
        for cell in self.cells() {
            match *cell {
                Cell::Null => out.write_all(&(-1i32).to_be_bytes())?,
                Cell::Integer(number) => match self.kind {
                    Kind::Flag => element(out, &[u8::from(number != 0)])?,
                    Kind::Time => element(out, &to_pg(number).to_be_bytes())?,
                    _ => element(out, &number.to_be_bytes())?,
                },
                Cell::Bytes(bytes) => element(out, &bytes)?,
                Cell::Text(start, end) => {
                    let text = self.text.get(start..end).unwrap_or_default();
                    element(out, text.as_bytes())?;
                }
            }
        }
        Ok(IsNull::No)
    }
}

fn element(out: &mut Output<'_, '_, Pg>, bytes: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
    out.write_all(&i32::try_from(bytes.len())?.to_be_bytes())?;
    out.write_all(bytes)?;
    Ok(())
}

macro_rules! array_of {
    ($($element:ty),*) => {$(
        impl ToSql<Array<Nullable<$element>>, Pg> for Column<'_> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                self.write(out)
            }
        }
    )*};
}

array_of!(Uuid, Bytea, Timestamptz, Text, BigInt, Bool);
