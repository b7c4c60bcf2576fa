//! Plain SQL: what a program would send by hand for the same answer, on a connection of its own and by
//! statements that are ready, wherever their text is the same each time.
//!
//! Two such programs: one keeps all messages in one table. The other asks the database of the store, and
//! knows how it lies there: which days a conversation has rows on, and which days are counted already.

mod connection;
mod dialect;
mod partitions;
mod table;
mod tables;

use crate::{backend::Database, question::Question};

use connection::Connection;
use partitions::Partitions;
use table::Table;
use tables::Tables;

/// Where the messages lie.
#[derive(Clone, Copy)]
pub enum Messages {
    InOneTable,
    ByDay,
}

/// A program with a connection.
pub struct Plain {
    connection: Connection,
    program: Program,
}

enum Program {
    Table(Box<Table>),
    Partitions(Box<Partitions>),
    Tables(Box<Tables>),
}

impl Plain {
    pub async fn new(database: &Database, messages: Messages) -> Self {
        let connection = Connection::new(database).await;
        let dialect = connection.dialect();
        let program = match (messages, database) {
            (Messages::InOneTable, _) => Program::Table(Box::new(Table::new(dialect))),
            (Messages::ByDay, Database::Postgres(_)) => {
                Program::Partitions(Box::new(Partitions::new()))
            }
            (Messages::ByDay, _) => Program::Tables(Box::new(Tables::new(dialect))),
        };
        Self {
            connection,
            program,
        }
    }

    /// Asks, and says how many rows the answer has.
    pub async fn ask(&mut self, question: &Question) -> usize {
        let connection = &mut self.connection;
        match &mut self.program {
            Program::Table(table) => table.ask(connection, question).await,
            Program::Partitions(partitions) => partitions.ask(connection, question).await,
            Program::Tables(tables) => tables.ask(connection, question).await,
        }
    }
}
