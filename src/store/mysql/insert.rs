//! Multi-row inserts of fixed lengths, whose statements diesel caches.

use std::sync::LazyLock;

use diesel::{
    mysql::Mysql,
    prelude::QueryResult,
    query_builder::{AstPass, QueryFragment, QueryId},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    error::{Answer, Fault},
    statement::{Kind, Value},
};
use crate::{
    escape,
    outcome::Truncated,
    store::{columns, pack::Cell},
};

/// Rows a statement, largest first. The gain levels off at 500, and as many rows as a batch happens
/// to have go in few statements of these.
const SHAPES: [usize; 9] = [500, 200, 100, 50, 20, 10, 5, 2, 1];
/// Bytes a value may take in a packet beside its own: its type, its length, its place in the text.
const VALUE_OVERHEAD: usize = 16;
/// Bytes a statement takes beside its values: mostly the names of the columns.
const STATEMENT_OVERHEAD: usize = 2_048;
/// Above this the driver sends each value in a packet of its own, which is slower than two statements.
const MOST_STATEMENT_BYTES: usize = 8 << 20;

/// Columns in the order of [`columns`], quoted where MySQL or MariaDB reserves the name.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) sql: String,
    kinds: Vec<Kind>,
    content: Option<usize>,
    truncated: Option<usize>,
}

impl Columns {
    fn new(list: &str) -> Self {
        let names: Vec<&str> = list.split(", ").collect();
        let place = |name| names.iter().position(|column| *column == name);
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        Self {
            sql: quoted.join(", "),
            kinds: names.iter().map(|name| kind(name)).collect(),
            content: place("content"),
            truncated: place("truncated"),
        }
    }
}

pub(super) static MESSAGE: LazyLock<Columns> = LazyLock::new(|| Columns::new(columns::MESSAGE));
pub(super) static ERROR: LazyLock<Columns> = LazyLock::new(|| Columns::new(columns::ERROR));
pub(super) static RESPONSE: LazyLock<Columns> = LazyLock::new(|| Columns::new(columns::RESPONSE));
pub(super) static CONVERSATION: LazyLock<Columns> =
    LazyLock::new(|| Columns::new(columns::NEW_CONVERSATION));

fn kind(column: &str) -> Kind {
    match column {
        "created_at" | "updated_at" | "seen_at" => Kind::Time,
        "id"
        | "hash"
        | "conversation_id"
        | "exchange_id"
        | "parent_id"
        | "parent_conversation_id"
        | "chain_hash"
        | "prompt_hash" => Kind::Bytes,
        "status" | "is_stream" | "first_token_ms" | "latency_ms" | "choice_index"
        | "token_count" | "error_code" | "prompt_tokens" | "completion_tokens" | "total_tokens"
        | "cached_tokens" | "cache_write_tokens" | "reasoning_tokens" | "sends_history" => {
            Kind::Number
        }
        _ => Kind::Text,
    }
}

/// What the rows are inserted into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) table: &'a str,
    pub(super) columns: &'static Columns,
    pub(super) on_duplicate: &'static str,
}

/// Inserts these rows in as few statements as the shapes and the server's `max_allowed_packet` allow.
pub(super) async fn insert(
    connection: &mut AsyncMysqlConnection,
    target: Target<'_>,
    text: &str,
    mut rows: &[&[Cell]],
    max_packet: usize,
) -> Answer<()> {
    let room = max_packet.saturating_sub(STATEMENT_OVERHEAD);
    while !rows.is_empty() {
        let fits = |shape: &&usize| {
            rows.get(..**shape)
                .is_some_and(|rows| size(rows) <= room.min(MOST_STATEMENT_BYTES))
        };
        let shape = SHAPES.iter().find(fits).copied().unwrap_or(1);
        let (now, later) = rows.split_at(shape);
        let mut values = Vec::with_capacity(now.len() * target.columns.kinds.len());
        for row in now {
            push_row(&mut values, target.columns, text, row, room)?;
        }
        let statement = Insert {
            target,
            values: &values,
        };
        statement.execute(connection).await?;
        rows = later;
    }
    Ok(())
}

fn size(rows: &[&[Cell]]) -> usize {
    let sizes = rows.iter().copied().flatten().map(|cell| match cell {
        Cell::Text(start, end) => VALUE_OVERHEAD + end - start,
        _ => VALUE_OVERHEAD + 16,
    });
    sizes.sum()
}

/// Adds the values of a row. What is too large for a packet is cut, and says so.
fn push_row<'a>(
    values: &mut Vec<Value<'a>>,
    columns: &Columns,
    text: &'a str,
    row: &[Cell],
    room: usize,
) -> Answer<()> {
    let first = values.len();
    for (cell, kind) in row.iter().zip(&columns.kinds) {
        values.push(match (cell, kind) {
            (Cell::Null, kind) => Value::Null(*kind),
            (Cell::Integer(ms), Kind::Time) => Value::Time(Millis(*ms)),
            (Cell::Integer(number), _) => Value::Number(*number),
            (Cell::Bytes(bytes), _) => Value::Bytes(*bytes),
            (Cell::Text(start, end), _) => Value::Text(text.get(*start..*end).unwrap_or_default()),
        });
    }
    let excess = size(&[row]).saturating_sub(room);
    if excess == 0 {
        return Ok(());
    }
    let too_large = Fault::Unfit("a row is larger than the server's max_allowed_packet");
    let (Some(content), Some(truncated)) = (columns.content, columns.truncated) else {
        return Err(too_large);
    };
    match values.get_mut(first + content) {
        Some(Value::Text(content)) if content.len() >= excess => {
            *content = escape::first_bytes(content, content.len() - excess);
        }
        _ => return Err(too_large),
    }
    if let Some(Value::Text(word)) = values.get_mut(first + truncated)
        && *word == Truncated::No.as_str()
    {
        *word = Truncated::Cap.as_str();
    }
    Ok(())
}

/// One statement.
struct Insert<'a> {
    target: Target<'a>,
    values: &'a [Value<'a>],
}

impl QueryId for Insert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Mysql> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        out.push_sql("INSERT INTO ");
        out.push_sql(self.target.table);
        out.push_sql(" (");
        out.push_sql(&self.target.columns.sql);
        out.push_sql(") VALUES ");
        let mut row_open = "(";
        for row in self.values.chunks_exact(self.target.columns.kinds.len()) {
            let mut separator = row_open;
            for value in row {
                out.push_sql(separator);
                value.push(&mut out)?;
                separator = ",";
            }
            row_open = "),(";
        }
        out.push_sql(")");
        out.push_sql(self.target.on_duplicate);
        Ok(())
    }
}
