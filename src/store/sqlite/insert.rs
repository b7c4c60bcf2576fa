//! Multi-row inserts whose statements diesel caches.

use diesel::{
    connection::Connection,
    prelude::QueryResult,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::{Sqlite, SqliteConnection},
};

use crate::store::pack::Cell;

/// Rows a statement, largest first: three shapes a table keep the cache small.
const SHAPES: [usize; 3] = [50, 10, 1];

/// What the rows are inserted into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) table: &'a str,
    pub(super) columns: &'static str,
    pub(super) width: usize,
    pub(super) on_conflict: &'static str,
}

/// Inserts these rows, cell after cell, in as few statements as the shapes allow.
pub(super) fn insert(
    connection: &mut SqliteConnection,
    target: Target<'_>,
    text: &str,
    mut cells: &[Cell],
) -> QueryResult<()> {
    for shape in SHAPES {
        while let Some((rows, rest)) = cells.split_at_checked(shape * target.width)
            && !rows.is_empty()
        {
            connection.execute_returning_count(&Insert {
                target,
                text,
                cells: rows,
            })?;
            cells = rest;
        }
    }
    Ok(())
}

/// One statement. diesel caches it by its text, which `sql_query` with binds never is.
struct Insert<'a> {
    target: Target<'a>,
    text: &'a str,
    cells: &'a [Cell],
}

impl QueryId for Insert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Sqlite> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        // A statement that may have to be undone alone keeps a copy of every page it changes; any error
        // here ends the transaction anyway.
        out.push_sql("INSERT OR FAIL INTO ");
        out.push_sql(self.target.table);
        out.push_sql(" (");
        out.push_sql(self.target.columns);
        out.push_sql(") VALUES ");
        let mut row_open = "(";
        for row in self.cells.chunks_exact(self.target.width) {
            let mut separator = row_open;
            for cell in row {
                out.push_sql(separator);
                push_cell(&mut out, self.text, cell)?;
                separator = ",";
            }
            row_open = "),(";
        }
        out.push_sql(")");
        out.push_sql(self.target.on_conflict);
        Ok(())
    }
}

fn push_cell<'b>(
    out: &mut AstPass<'_, 'b, Sqlite>,
    text: &'b str,
    cell: &'b Cell,
) -> QueryResult<()> {
    match cell {
        Cell::Null => out.push_bind_param::<Nullable<Text>, Option<&str>>(&None),
        Cell::Integer(number) => out.push_bind_param::<BigInt, _>(number),
        Cell::Bytes(bytes) => out.push_bind_param::<Binary, [u8]>(bytes),
        Cell::Text(start, end) => {
            out.push_bind_param::<Text, str>(text.get(*start..*end).unwrap_or_default())
        }
    }
}
