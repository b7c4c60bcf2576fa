//! One prepared statement, run row by row, a batch a transaction.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, Statement, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};
use tower_recording::store::ExchangeRows;

use crate::cells::{COLUMNS, Cell, cells};

const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Raw {
    connection: Connection,
    sql: String,
}

impl Raw {
    pub fn new(path: &Path, table: &str) -> Self {
        let connection = Connection::open(path).expect("a file");
        connection.busy_timeout(BUSY_TIMEOUT).expect("a timeout");
        let settings = "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY";
        connection.execute_batch(settings).expect("settings");
        let columns = COLUMNS.join(", ");
        let values = vec!["?"; COLUMNS.len()].join(",");
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({values})");
        Self { connection, sql }
    }

    pub fn write(&mut self, batch: &[ExchangeRows]) {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior);
        let transaction = transaction.expect("the lock");
        {
            let mut insert = transaction.prepare(&self.sql).expect("a statement");
            for rows in batch {
                for message in &rows.messages {
                    for (index, cell) in cells(&rows.exchange, message).into_iter().enumerate() {
                        bind(&mut insert, index + 1, cell);
                    }
                    insert.raw_execute().expect("a row that is new");
                }
            }
        }
        transaction.commit().expect("a disk");
    }
}

fn bind(statement: &mut Statement<'_>, index: usize, cell: Cell<'_>) {
    let value = match cell {
        Cell::Null => ValueRef::Null,
        Cell::Bytes(bytes) => ValueRef::Blob(bytes),
        Cell::Time(number) | Cell::Number(number) => ValueRef::Integer(number),
        Cell::Flag(flag) => ValueRef::Integer(i64::from(flag)),
        Cell::Text(text) => ValueRef::Text(text.as_bytes()),
    };
    let bound = statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(value));
    bound.expect("a parameter");
}
